import { posix } from 'node:path';
import { renderMermaidSVG } from 'beautiful-mermaid';
import type { MarkdownRenderer } from 'vitepress';
import type { SiteLinks } from './links.js';

type Token = ReturnType<MarkdownRenderer['parse']>[number];

/** HTML that documents use; anything else in angle brackets is a placeholder such as `<service>`. */
const KNOWN_HTML =
  /^<(?:!--|\/?(?:details|summary|br|picture|source|img|div|span|p|a|code|svg|g|path|rect|text|line|circle|defs|marker|title)\b)/i;

/** The anchor that GitHub makes of a heading: links of documents are made for it. */
export const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replaceAll(/[^\p{L}\p{N} _-]/gu, '')
    .replaceAll(' ', '-');

/**
 * Makes the site show documents as GitHub does: links lead to pages or to sources, placeholders in angle brackets and double braces are text, and
 * drawings of mermaid are pictures, made when the site is built. `root` is the repository.
 */
export const asOnGitHub = (md: MarkdownRenderer, links: SiteLinks, root: string): void => {
  md.core.ruler.push('as-on-github', ({ tokens, env }) => {
    const { realPath, path = '' } = env as { realPath?: string; path?: string };
    const source = posix.relative(root.replaceAll('\\', '/'), (realPath ?? path).replaceAll('\\', '/'));
    for (const token of tokens) {
      escapeUnknown(token);
      for (const child of token.children ?? []) {
        escapeUnknown(child);
        const href = child.type === 'link_open' ? child.attrGet('href') : null;
        if (href === null) continue;
        const link = links.resolve(href, source);
        child.attrSet('href', link.href);
        if (link.to === 'source') child.attrSet('target', '_blank');
      }
    }
  });

  const { fence, text } = md.renderer.rules;
  md.renderer.rules.text = (tokens, index, options, env, self) =>
    (text?.(tokens, index, options, env, self) ?? '').replaceAll('{{', '&#123;&#123;');
  md.renderer.rules.fence = (tokens, index, options, env, self) => {
    const token = tokens[index];
    if (token?.info.trim() === 'mermaid') return drawingOf(token.content);
    return fence?.(tokens, index, options, env, self) ?? '';
  };
};

const escapeUnknown = (token: Token): void => {
  if ((token.type === 'html_inline' || token.type === 'html_block') && !KNOWN_HTML.test(token.content.trim())) token.type = 'text';
};

/**
 * A drawing in the colours of the page, whatever they are. The library asks for a font of another host and sets colours of its own: both are taken out.
 * Vue takes no `<style>` inside a template, so the picture is handed over as a text.
 */
const drawingOf = (code: string): string => {
  const svg = renderMermaidSVG(code, { font: 'system-ui' })
    .replaceAll(/^\s*@import[^\n]*\n/gm, '')
    .replace(/style="--bg:[^"]*"/, '');
  // Below nine tenths of its size its smallest letters cannot be read: a wide one scrolls.
  const minWidth = Math.round(0.9 * Number(/ width="([\d.]+)"/.exec(svg)?.[1] ?? 0));
  return `<div class="drawing" tabindex="0" style="--min-width: ${minWidth}px" v-html="${attributeOf(JSON.stringify(svg))}"></div>\n`;
};

const attributeOf = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
