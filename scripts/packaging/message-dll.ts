import { messageTable } from './message-table.ts';

const HEADERS_SIZE = 0x200;
const SECTION_ADDRESS = 0x1000;
const FILE_ALIGNMENT = 0x200;
const IMAGE_BASE = 0x1_8000_0000n;

const MESSAGE_TABLE = 11;
/** United States: where FormatMessage looks at last for every language. */
const ENGLISH = 0x0409;

/**
 * A library without code that holds the texts of the Event Log (PE/COFF, “.rsrc” alone). The same texts
 * make the same bytes; it runs nothing, so one serves every kind of processor.
 */
export function messageDll(texts: ReadonlyMap<number, string>): Buffer {
  const resources = resourceSection(messageTable(texts));
  const padded = Buffer.alloc(align(resources.length, FILE_ALIGNMENT));
  resources.copy(padded);
  return Buffer.concat([headers(resources.length, padded.length), padded]);
}

/** Type, name, language: three directories with one entry each, then what they lead to. */
function resourceSection(data: Buffer): Buffer {
  const [nameAt, languageAt, entryAt, dataAt] = [24, 48, 72, 88];
  const section = Buffer.alloc(dataAt);
  const directory = (at: number, id: number, target: number): void => {
    section.writeUInt16LE(1, at + 14); // entries with a number for a name
    section.writeUInt32LE(id, at + 16);
    section.writeUInt32LE(target, at + 20);
  };
  const isDirectory = 0x8000_0000;
  directory(0, MESSAGE_TABLE, isDirectory + nameAt);
  directory(nameAt, 1, isDirectory + languageAt);
  directory(languageAt, ENGLISH, entryAt);
  section.writeUInt32LE(SECTION_ADDRESS + dataAt, entryAt);
  section.writeUInt32LE(data.length, entryAt + 4);
  return Buffer.concat([section, data]);
}

function headers(size: number, sizeInFile: number): Buffer {
  const bytes = Buffer.alloc(HEADERS_SIZE);
  bytes.write('MZ', 0, 'latin1');
  bytes.writeUInt32LE(0x40, 0x3c);
  bytes.write('PE\0\0', 0x40, 'latin1');
  fileHeader(bytes.subarray(0x44));
  optionalHeader(bytes.subarray(0x58), size, sizeInFile);
  sectionHeader(bytes.subarray(0x148), size, sizeInFile);
  return bytes;
}

function fileHeader(at: Buffer): void {
  at.writeUInt16LE(0x8664, 0); // x64; who opens it as data does not look
  at.writeUInt16LE(1, 2); // sections
  at.writeUInt16LE(240, 16); // size of the optional header
  at.writeUInt16LE(0x2022, 18); // executable image, large addresses, DLL
}

function optionalHeader(at: Buffer, size: number, sizeInFile: number): void {
  at.writeUInt16LE(0x20b, 0); // PE32+
  at.writeUInt32LE(sizeInFile, 8); // initialised data
  at.writeBigUInt64LE(IMAGE_BASE, 24);
  at.writeUInt32LE(SECTION_ADDRESS, 32);
  at.writeUInt32LE(FILE_ALIGNMENT, 36);
  at.writeUInt16LE(6, 40); // version of the system
  at.writeUInt16LE(6, 48); // version of the subsystem
  at.writeUInt32LE(SECTION_ADDRESS + align(size, SECTION_ADDRESS), 56);
  at.writeUInt32LE(HEADERS_SIZE, 60);
  at.writeUInt16LE(2, 68); // Windows without a console
  at.writeUInt16LE(0x0500, 70); // no execution of data, no structured exceptions
  at.writeBigUInt64LE(0x10_0000n, 72);
  at.writeBigUInt64LE(0x1000n, 80);
  at.writeBigUInt64LE(0x10_0000n, 88);
  at.writeBigUInt64LE(0x1000n, 96);
  at.writeUInt32LE(16, 108); // data directories
  at.writeUInt32LE(SECTION_ADDRESS, 112 + 2 * 8); // the third: resources
  at.writeUInt32LE(size, 112 + 2 * 8 + 4);
}

function sectionHeader(at: Buffer, size: number, sizeInFile: number): void {
  at.write('.rsrc', 0, 'latin1');
  at.writeUInt32LE(size, 8);
  at.writeUInt32LE(SECTION_ADDRESS, 12);
  at.writeUInt32LE(sizeInFile, 16);
  at.writeUInt32LE(HEADERS_SIZE, 20);
  at.writeUInt32LE(0x4000_0040, 36); // initialised data, readable
}

function align(size: number, to: number): number {
  return Math.ceil(size / to) * to;
}
