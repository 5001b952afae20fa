import { Fragment } from 'react';

const entities: Readonly<Record<string, string>> = { '&amp;': '&', '&lt;': '<', '&gt;': '>', '&quot;': '"', '&#39;': "'", '&#x27;': "'" };

const textOf = (html: string): string => html.replace(/&(?:amp|lt|gt|quot|#39|#x27);/g, (entity) => entities[entity] ?? entity);

/** An excerpt of the search: escaped text with `<mark>` around what matches. It is read as that and nothing else; no HTML gets into the page. */
export function Highlight({ html }: { readonly html: string }) {
  const parts = html.split(/(<mark>.*?<\/mark>)/gs);
  return parts.map((part, i) => {
    const marked = /^<mark>(?<text>.*)<\/mark>$/s.exec(part)?.groups?.['text'];
    // oxlint-disable-next-line react/no-array-index-key -- parts of one text, which have no other name
    return marked === undefined ? <Fragment key={i}>{textOf(part)}</Fragment> : <mark key={i}>{textOf(marked)}</mark>;
  });
}
