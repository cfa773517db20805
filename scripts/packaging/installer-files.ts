import { createHash } from 'node:crypto';

/** One file of a bundle, as the installer names it. */
export function fileId(path: string): string {
  return `f${digest(path).slice(0, 24)}`;
}

/**
 * The part of the installer's description (WiX) that lists the files of a bundle, folder by folder, one
 * component to a file. The same paths get the same identifiers in every version, as upgrades need.
 */
export function installerFiles(files: readonly string[]): string {
  const components: string[] = [];
  const tree = folderXml('', files, components);
  const references = components.map((id) => `      <ComponentRef Id="${id}"/>`).join('\n');
  return `<?xml version="1.0" encoding="utf-8"?>
<Wix xmlns="http://schemas.microsoft.com/wix/2006/wi">
  <Fragment>
    <DirectoryRef Id="InstallDir">
${tree}
    </DirectoryRef>
  </Fragment>
  <Fragment>
    <ComponentGroup Id="Bundle">
${references}
    </ComponentGroup>
  </Fragment>
</Wix>
`;
}

function folderXml(folder: string, files: readonly string[], components: string[]): string {
  const below = files.filter((file) => file.startsWith(folder));
  const names = [...new Set(below.map((file) => file.slice(folder.length).split('/', 1)[0] ?? ''))];
  return names
    .map((name) => {
      const path = `${folder}${name}`;
      if (files.includes(path)) return fileXml(path, components);
      const id = `d${digest(path).slice(0, 24)}`;
      const content = folderXml(`${path}/`, below, components);
      return `<Directory Id="${id}" Name="${attribute(name)}">\n${content}\n</Directory>`;
    })
    .join('\n');
}

function fileXml(path: string, components: string[]): string {
  const component = `c${digest(path).slice(0, 24)}`;
  components.push(component);
  const source = attribute(`$(var.Source)/${path}`);
  return `<Component Id="${component}" Guid="${guidOf(`component ${path}`)}" Win64="yes"><File Id="${fileId(path)}" KeyPath="yes" Source="${source}"/></Component>`;
}

/** A GUID made of a text: the same for the same one. */
export function guidOf(text: string): string {
  const hex = digest(text).toUpperCase();
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `5${hex.slice(13, 16)}`,
    `A${hex.slice(17, 20)}`,
    hex.slice(20, 32),
  ].join('-');
}

function digest(text: string): string {
  return createHash('sha256').update(`passback installer ${text}`).digest('hex');
}

function attribute(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;');
}
