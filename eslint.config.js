// @ts-check
import { defineConfig, globalIgnores } from 'eslint/config';
import tseslint from 'typescript-eslint';

/** Folder -> what it must not import: the arrows of README's layout, as a rule. */
const forbid = (from, ...targets) => ({
  files: [from.endsWith('.ts') ? `src/${from}` : `src/${from}/**/*.ts`],
  rules: {
    'no-restricted-imports': [
      'error',
      { patterns: targets.map((t) => ({ regex: t, message: `${from}/ may not import ${t}` })) },
    ],
  },
});

export default defineConfig(
  globalIgnores(['dist/', 'coverage/']),
  tseslint.configs.strictTypeChecked,
  tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: {
      parserOptions: {
        projectService: { allowDefaultProject: ['eslint.config.js'] },
        tsconfigRootDir: import.meta.dirname,
      },
    },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    rules: {
      eqeqeq: 'error',
      'no-console': 'error',
      'no-restricted-syntax': [
        'error',
        { selector: 'ExportDefaultDeclaration', message: 'Name it.' },
        {
          selector: 'ExportAllDeclaration',
          message: 'No barrels: import from the file that owns the name.',
        },
      ],
      'no-restricted-properties': [
        'error',
        { object: 'process', property: 'exit', message: 'Set process.exitCode in main.ts.' },
        { object: 'process', property: 'env', message: 'Read config.' },
        {
          property: 'rejectUnauthorized',
          message: 'Verification is never switched off; give a CA instead.',
        },
      ],
      'max-lines': ['error', { max: 350, skipBlankLines: true, skipComments: true }],
      'max-lines-per-function': ['error', { max: 60, skipBlankLines: true, skipComments: true }],
      'max-params': ['error', 4],
      complexity: ['error', 12],
      '@typescript-eslint/consistent-type-imports': 'error',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { requireDefaultForNonUnion: true },
      ],
      '@typescript-eslint/explicit-module-boundary-types': 'error',
      '@typescript-eslint/restrict-template-expressions': ['error', { allowNumber: true }],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      '@typescript-eslint/promise-function-async': 'off',
      '@typescript-eslint/consistent-type-definitions': 'off',
    },
  },
  {
    // The processes' outer edge: the only places that touch argv, the environment and the terminal.
    files: [
      'src/*/main.ts',
      'src/*/cli/**/*.ts',
      'scripts/**/*.{ts,mjs}',
      'test/support/program.ts',
    ],
    rules: { 'no-restricted-properties': 'off', 'no-console': 'off' },
  },
  forbid('protocol', '^node:', '^(?!\\.|jose$|zod$|canonicalize$)', '/(agent|cloud)/'),
  // Not for browsers, unlike everything that sealing reaches.
  forbid('protocol/digest.ts', '^node:(?!crypto$)', '^(?!\\.|node:)'),
  // A file right above is one of support's own, seen from a folder in it.
  forbid('support', '\\.\\./(?!support/|[\\w-]+\\.ts$)'),
  forbid('support/windows', '\\.\\./\\.\\./'),
  forbid(
    'agent/windows',
    '/cloud/',
    '\\.\\./(link|directory|identity|commands|config|health|cli)/',
  ),
  {
    // Functions of Windows are declared as Windows has them.
    files: ['src/{support,agent}/windows/*.ts'],
    rules: { 'max-params': 'off' },
  },
  forbid('agent', '/cloud/'),
  forbid('cloud', '/agent/'),
  forbid('agent/link', '/cloud/', '\\.\\./(directory|identity|commands|config|health|cli)/'),
  forbid('agent/directory', '/cloud/', '\\.\\./(link|identity|commands|config|health|cli)/'),
  forbid('agent/identity', '/cloud/', '\\.\\./(link|directory|commands|config|health|cli)/'),
  forbid(
    'agent/commands',
    '/cloud/',
    '\\.\\./(link|identity|config|health|cli)/',
    '^(ws|ldapts|winston|convict)$',
  ),
  forbid(
    'agent/commands/guard',
    '/cloud/',
    '\\.\\./(link|identity|config|health|cli)/',
    '^\\.\\./(?!\\.\\./|outcomes\\.ts$)',
    '^(ws|ldapts|winston|convict)$',
  ),
  forbid('cloud/store', '/agent/', '\\.\\./(link|api|cli)/'),
  forbid('cloud/cluster', '/agent/', '\\.\\./(api|cli)/', '^(ws|hono|kysely|libsql)'),
  forbid('cloud/writeback', '/agent/', '\\.\\./(api|cli|cluster)/', '^(ws|hono|kysely|libsql|pg)'),
  {
    files: ['test/**/*.ts', 'scripts/**'],
    rules: {
      'max-lines-per-function': 'off',
      'max-lines': 'off',
      '@typescript-eslint/no-empty-function': 'off',
      '@typescript-eslint/require-await': 'off',
    },
  },
  {
    files: ['**/*.js', '**/*.mjs', '**/*.config.ts'],
    extends: [tseslint.configs.disableTypeChecked],
    rules: {
      '@typescript-eslint/explicit-module-boundary-types': 'off',
      'no-restricted-syntax': 'off',
    },
  },
);
