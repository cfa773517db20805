import { expect, test } from 'vitest';
import { NODE_RUNTIMES } from '../../../scripts/packaging/programs.ts';
import { bomOf, type Bom } from '../../../scripts/packaging/sbom.ts';

const ALL: Bom = {
  serialNumber: 'urn:uuid:made-up-anew-each-time',
  metadata: {
    timestamp: '2026-11-27T00:00:00Z',
    component: { 'bom-ref': 'passback@1.0.0', name: 'whatever-the-folder-is-called' },
  },
  components: [
    { 'bom-ref': 'ws@8.0.0', scope: 'optional', properties: [] },
    { 'bom-ref': 'hono@4.0.0' },
    { 'bom-ref': 'zod@4.0.0' },
  ],
  dependencies: [
    { ref: 'passback@1.0.0', dependsOn: ['ws@8.0.0', 'hono@4.0.0'] },
    { ref: 'ws@8.0.0', dependsOn: ['zod@4.0.0', 'hono@4.0.0'] },
    { ref: 'hono@4.0.0', dependsOn: [] },
  ],
};

const WISH = {
  program: 'passback',
  version: '1.0.0',
  packages: new Set(['ws@8.0.0', 'zod@4.0.0']),
  node: NODE_RUNTIMES['linux-x64'],
  nodeSha256: 'ab'.repeat(32),
  epoch: 1_700_000_000,
} as const;

test('an SBOM names what is in the bundle, the Node.js in it, and nothing else', () => {
  const bom = bomOf(ALL, WISH);
  const node = `node@${WISH.node.version}`;
  expect(bom.components.map((component) => component['bom-ref'])).toEqual([
    'ws@8.0.0',
    'zod@4.0.0',
    node,
  ]);
  expect(bom.dependencies).toEqual([
    { ref: 'passback@1.0.0', dependsOn: ['ws@8.0.0', node] },
    { ref: 'ws@8.0.0', dependsOn: ['zod@4.0.0'] },
  ]);
  expect(bom.metadata.component).toMatchObject({ name: 'passback', type: 'application' });
});

test('an SBOM is the same for the same bundle, and another one for another', () => {
  const text = JSON.stringify(bomOf(ALL, WISH));
  const later = {
    ...ALL,
    serialNumber: 'another',
    metadata: { ...ALL.metadata, timestamp: 'later' },
  };
  expect(JSON.stringify(bomOf(later, WISH))).toBe(text);
  expect(bomOf(ALL, { ...WISH, nodeSha256: 'cd'.repeat(32) }).serialNumber).not.toBe(
    bomOf(ALL, WISH).serialNumber,
  );
});

test('a package that npm does not name is not left out in silence', () => {
  const packages = new Set(['ws@8.0.0', 'left-pad@1.0.0']);
  expect(() => bomOf(ALL, { ...WISH, packages })).toThrow('left-pad@1.0.0');
});
