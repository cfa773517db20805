import { expect, test } from 'vitest';
import { fileId, installerFiles } from '../../../scripts/packaging/installer-files.ts';

const FILES = ['a.js', 'lib/b.js', 'lib/deep/c&d.js', 'library.js'];

test('every file of a bundle is a component of its own, and belongs to what is installed', () => {
  const xml = installerFiles(FILES);
  const components = [...xml.matchAll(/<Component Id="(\w+)"/g)].map(([, id]) => id);
  const references = [...xml.matchAll(/<ComponentRef Id="(\w+)"/g)].map(([, id]) => id);
  expect(new Set(components).size).toBe(FILES.length);
  expect(references).toEqual(components);
  expect(xml).toContain(`File Id="${fileId('a.js')}" KeyPath="yes" Source="$(var.Source)/a.js"`);
  expect(xml).toContain('$(var.Source)/lib/deep/c&amp;d.js');
});

test('each folder is there once', () => {
  const names = [...installerFiles(FILES).matchAll(/<Directory Id="\w+" Name="(\w+)"/g)];
  expect(names.map(([, name]) => name)).toEqual(['lib', 'deep']);
});

test('a later version calls the same files the same, whatever else it holds', () => {
  const identifiers = (xml: string): string[] =>
    [...xml.matchAll(/<Component [^>]*>/g)].map(([element]) => element);
  const later = identifiers(installerFiles(['0.js', ...FILES]));
  expect(later).toEqual(expect.arrayContaining(identifiers(installerFiles(FILES))));
});
