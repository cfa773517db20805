const UNICODE = 1;

/** MESSAGE_RESOURCE_DATA of winnt.h: blocks of consecutive numbers, then their texts. */
export function messageTable(texts: ReadonlyMap<number, string>): Buffer {
  const blocks = consecutive([...texts.keys()].sort((one, other) => one - other));
  const head = Buffer.alloc(4 + blocks.length * 12);
  head.writeUInt32LE(blocks.length, 0);
  const entries: Buffer[] = [];
  let offset = head.length;
  blocks.forEach(({ low, high }, index) => {
    const at = 4 + index * 12;
    head.writeUInt32LE(low, at);
    head.writeUInt32LE(high, at + 4);
    head.writeUInt32LE(offset, at + 8);
    for (let id = low; id <= high; id += 1) {
      const made = entry(texts.get(id) ?? '');
      entries.push(made);
      offset += made.length;
    }
  });
  return Buffer.concat([head, ...entries]);
}

interface Block {
  readonly low: number;
  readonly high: number;
}

function consecutive(ids: readonly number[]): readonly Block[] {
  const blocks: Block[] = [];
  for (const id of ids) {
    const last = blocks.at(-1);
    if (last?.high === id - 1) blocks[blocks.length - 1] = { low: last.low, high: id };
    else blocks.push({ low: id, high: id });
  }
  return blocks;
}

/** MESSAGE_RESOURCE_ENTRY: length and flags, then the text with its end, in steps of four bytes. */
function entry(text: string): Buffer {
  const bytes = Buffer.from(`${text}\r\n\0`, 'utf16le');
  const made = Buffer.alloc(4 + Math.ceil(bytes.length / 4) * 4);
  made.writeUInt16LE(made.length, 0);
  made.writeUInt16LE(UNICODE, 2);
  bytes.copy(made, 4);
  return made;
}
