// Pictures on the clipboard.

/** The pictures that a paste brings; none when it brings text as well, which is then meant. */
export function picturesIn(data: DataTransfer | null): File[] {
  if (!data) return [];
  const files = [...data.files].filter((file) => file.type.startsWith('image/'));
  // Office programs put a picture of copied text beside the text.
  if (files.length && data.getData('text/plain').trim()) return [];
  return files;
}
