/**
 * The four functions of the metadata proposal that @peculiar/x509's container looks for when it is
 * loaded; importing this file before it spares the tests a package of its own.
 */
const metadata = new WeakMap<object, Map<unknown, unknown>>();

function getOwnMetadata(key: unknown, target: object): unknown {
  return metadata.get(target)?.get(key);
}

function getMetadata(key: unknown, target: object): unknown {
  for (let at: object | null = target; at !== null; at = prototypeOf(at)) {
    const found = getOwnMetadata(key, at);
    if (found !== undefined) return found;
  }
  return undefined;
}

function prototypeOf(value: object): object | null {
  return Object.getPrototypeOf(value) as object | null;
}

function defineMetadata(key: unknown, value: unknown, target: object): void {
  const known = metadata.get(target) ?? new Map<unknown, unknown>();
  metadata.set(target, known.set(key, value));
}

function decorate(key: unknown, value: unknown): (target: object) => void {
  return (target) => {
    defineMetadata(key, value, target);
  };
}

Object.assign(Reflect, { getMetadata, getOwnMetadata, defineMetadata, metadata: decorate });
