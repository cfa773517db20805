import { expect, test } from 'vitest';
import { eventMessages } from '../../../scripts/packaging/event-messages.ts';
import { messageDll } from '../../../scripts/packaging/message-dll.ts';
import { messageTable } from '../../../scripts/packaging/message-table.ts';
import { EVENTS } from '../../../src/support/events.ts';

/** Reads a message table as the loader of Windows does (MESSAGE_RESOURCE_DATA). */
function readTable(table: Buffer): Map<number, string> {
  const found = new Map<number, string>();
  for (let block = 0; block < table.readUInt32LE(0); block += 1) {
    const at = 4 + block * 12;
    const [low, high] = [table.readUInt32LE(at), table.readUInt32LE(at + 4)];
    let offset = table.readUInt32LE(at + 8);
    for (let id = low; id <= high; id += 1) {
      const length = table.readUInt16LE(offset);
      expect(length % 4).toBe(0);
      expect(table.readUInt16LE(offset + 2)).toBe(1);
      found.set(id, table.toString('utf16le', offset + 4, offset + length).replace(/\0+$/, ''));
      offset += length;
    }
  }
  return found;
}

test('a table gives each text back under its number, with gaps between the numbers', () => {
  const texts = new Map([
    [31002, 'applied'],
    [30001, 'begun'],
    [30002, 'stopping, ünï'],
  ]);
  const table = messageTable(texts);
  expect(table.readUInt32LE(0)).toBe(2); // 30001 and 30002 follow each other
  expect(readTable(table)).toEqual(new Map([...texts].map(([id, text]) => [id, `${text}\r\n`])));
});

test('the library leads by type, name and language to the table', () => {
  const texts = new Map([[31002, 'applied']]);
  const dll = messageDll(texts);
  expect(dll.toString('latin1', 0, 2)).toBe('MZ');
  const pe = dll.readUInt32LE(0x3c);
  expect(dll.toString('latin1', pe, pe + 4)).toBe('PE\0\0');
  const optional = pe + 24;
  const [resources, size] = [dll.readUInt32LE(optional + 128), dll.readUInt32LE(optional + 132)];
  const section = optional + dll.readUInt16LE(pe + 20);
  expect(dll.toString('latin1', section, section + 5)).toBe('.rsrc');
  expect(dll.readUInt32LE(section + 12)).toBe(resources);
  expect(dll.readUInt32LE(section + 8)).toBe(size);
  const file = dll.readUInt32LE(section + 20);
  const [type, name, language] = [0, 24, 48].map((at) => dll.readUInt32LE(file + at + 16));
  expect([type, name, language]).toEqual([11, 1, 0x409]);
  const entry = file + dll.readUInt32LE(file + 48 + 20);
  const data = file + dll.readUInt32LE(entry) - resources;
  const table = dll.subarray(data, data + dll.readUInt32LE(entry + 4));
  expect(table).toEqual(messageTable(texts));
  expect(dll.length % 0x200).toBe(0);
});

test('every event of the agent has a text that says what to do and has room for the facts', () => {
  const messages = eventMessages();
  for (const [name, id] of Object.entries(EVENTS)) {
    if (name.startsWith('cloud.')) expect(messages.has(id)).toBe(false);
    else expect(messages.get(id)).toMatch(/^\S[^]*What to do: \S[^]*Event: %1\r\n%2$/);
  }
});

test('the texts themselves hold nothing that is filled in', () => {
  for (const message of eventMessages().values()) {
    const ours = message.slice(0, message.lastIndexOf('\r\nEvent: %1')).replaceAll('%%', '');
    expect(ours).not.toContain('%');
  }
});
