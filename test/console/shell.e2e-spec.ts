import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, gzipSync } from 'node:zlib';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, inject, it } from 'vitest';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { openBrowser, type PageOptions, type TestBrowser, type UserPage } from '#lib/testing/browser';
import { builtProgram } from '#lib/testing/built-program';
import { eventually } from '#lib/testing/eventually';
import { type RunningParley, startParley } from '#lib/testing/running-parley';
import { openRoom } from './operators-room.js';

const found = await openBrowser();

// The rest of the console is tested on services of their own; what is the same for both is here, in one process.
describe.skipIf('missing' in found)(`the console of one process${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let parley: RunningParley;
  const opened: UserPage[] = [];
  beforeAll(async () => {
    parley = await startParley({ stack: inject('stack'), embedded: true });
  });
  afterEach(async () => {
    const complaints = opened.flatMap((each) => each.complaints);
    await Promise.all(opened.splice(0).map(({ context }) => context.close()));
    if (complaints.length > 0) throw new Error(complaints.join('\n'));
  });
  afterAll(async () => {
    await browser.close();
    await parley?.stop();
  });

  const open = async (at = '', options: PageOptions = {}): Promise<UserPage> => {
    const window = await browser.open(`${parley.url}/${at}`, options);
    opened.push(window);
    return window;
  };
  const signedIn = async (user: string): Promise<Page> => {
    const { page } = await open(`#/sign-in?token=${await parley.tokenOf({ user })}`);
    await page.getByRole('searchbox').waitFor();
    return page;
  };
  const problem = (status: number, code: string) => ({
    status,
    contentType: 'application/problem+json',
    body: JSON.stringify({ type: `/problems/${code}`, title: code, status, code, requestId: 'r-1' }),
  });

  it('asks for a token, says what is wrong with one, and opens the chat with one that is right', async () => {
    const { page } = await open();
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    await page.getByLabel('Access token').fill('not a token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('That is not an access token').waitFor();
    await page.getByLabel('Access token').fill(await parley.tokenOf({ user: 'alice' }));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: 'Chat' }).waitFor();
    expect(await page.getByRole('link', { name: 'Repair' }).count()).toBe(0);
    expect(await page.title()).toBe('Chat · Parley');
  });

  it('takes the token of a link out of the address and the history, and keeps it in that tab alone', async () => {
    const token = await parley.tokenOf({ user: 'alice', scopes: ['admin'] });
    const { page, context } = await open(`#/sign-in?token=${token}`);
    await page.getByRole('link', { name: 'Repair' }).waitFor();
    expect(page.url()).toBe(`${parley.url}/#/chat`);
    expect(await page.evaluate('JSON.stringify([{ ...localStorage }, document.cookie, document.URL])')).not.toContain(token);
    await page.reload();
    await page.getByRole('link', { name: 'Repair' }).waitFor();

    const other = await context.newPage();
    await other.goto(parley.url);
    await other.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
  });

  it('is opened by the link that the command line prints', async () => {
    const { code, stdout, stderr } = await runCommand(
      process.execPath,
      [builtProgram('parley'), 'console', '--user', 'alice', '--admin', '--url', parley.url],
      { timeoutMs: 30_000, cwd: projectRoot, env: { ...parley.environment } },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { page } = await open(stdout.trim().replace(`${parley.url}/`, ''));
    await page.getByRole('link', { name: 'Repair' }).waitFor();
  });

  it('is served with files that browsers keep, under a policy that names no other host', async () => {
    const answer = await fetch(parley.url, { headers: { accept: 'text/html' } });
    const policy = answer.headers.get('content-security-policy') ?? '';
    expect(policy).toMatch(/^default-src 'none'; script-src 'self'; style-src 'self'; .*connect-src 'self' ws:\/\/127\.0\.0\.1:\d+;/);
    expect(policy).not.toContain('unsafe');
    const html = await answer.text();
    expect(html).not.toMatch(/https?:\/\//);
    const [, script = ''] = /src="\.(\/assets\/[^"]+\.js)"/.exec(html) ?? [];
    const asset = await fetch(`${parley.url}${script}`, { headers: { 'accept-encoding': 'br' } });
    expect([asset.status, asset.headers.get('cache-control'), asset.headers.get('content-encoding')]).toEqual([
      200,
      'public, max-age=31536000, immutable',
      'br',
    ]);
    expect((await fetch(`${parley.url}/assets/nothing.js`)).status).toBe(404);
  });

  it('says of a link that cannot be used what is wrong with it, and leaves it out of the address', async () => {
    const expired = await parley.tokenOf({ user: 'alice', ttlSeconds: -60 });
    const { page } = await open('#/sign-in?token=%E0%A4');
    await page.getByText('That is not an access token').waitFor();
    expect(page.url()).toBe(`${parley.url}/#/chat`);
    for (const [token, sentence] of [
      [expired, 'That token has expired'],
      ['a.b', 'That is not an access token'],
    ] as const) {
      await page.evaluate(`location.hash = '#/sign-in?token=${token}'`);
      await page.getByText(sentence).waitFor();
      expect(page.url()).toBe(`${parley.url}/#/chat`);
    }
  });

  it('works in a browser that keeps nothing', async () => {
    const { page } = await open();
    await page.addInitScript(`for (const name of ['localStorage', 'sessionStorage'])
      Object.defineProperty(window, name, { get() { throw new DOMException('denied', 'SecurityError'); } });`);
    await page.reload();
    await page.getByLabel('Access token').fill(await parley.tokenOf({ user: 'alice' }));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('searchbox').waitFor();
    expect(page.url()).toBe(`${parley.url}/#/chat`);
  });

  it('changes theme and language with the keyboard, in all tabs, and gives the focus back', async () => {
    const page = await signedIn('alice-t');
    const other = await page.context().newPage();
    await other.goto(parley.url);
    await page.getByRole('button', { name: 'Settings' }).focus();
    await page.keyboard.press('Enter');
    await page.getByText(/^Parley \d+\.\d+\.\d+, all in one process$/).waitFor();
    await page.getByRole('radio', { name: 'As the system' }).focus();
    await page.keyboard.press('ArrowUp');
    await page.getByRole('radio', { name: 'English' }).focus();
    await page.keyboard.press('ArrowDown');
    for (const each of [page, other]) await each.locator('html[data-theme="dark"][lang="vi"]').waitFor({ state: 'attached' });
    await other.getByRole('heading', { name: 'Đăng nhập Parley' }).waitFor();
    await page.keyboard.press('Escape');
    await page.getByRole('dialog').waitFor({ state: 'hidden' });
    await eventually(async () => expect(await page.evaluate('document.activeElement.getAttribute("aria-label")')).toBe('Cài đặt'));
  });

  it('says what fails and why, and goes on by itself when it is over', async () => {
    const page = await signedIn('alice-f');
    await page.route('**/v1/conversations?*', (route) => route.fulfill(problem(503, 'dependency-unavailable')));
    await page.reload();
    await page.getByText('A part of the system is unavailable').waitFor();
    await page.unroute('**/v1/conversations?*');
    await page.getByText('No conversation yet').waitFor();
    await page.route('**/v1/search?*', (route) => route.fulfill(problem(429, 'rate-limited')));
    await page.getByRole('searchbox').fill('anything');
    await page.getByText('You are faster than your quota allows').waitFor();
    await page.route('**/v1/search?*', (route) => route.fulfill({ status: 502, contentType: 'text/html', body: '<h1>Bad gateway</h1>' }));
    await page.getByRole('searchbox').fill('anything else');
    await page.getByText('Something between this page and Parley answered').waitFor();
    await page.route('**/v1/search?*', (route) => route.fulfill(problem(401, 'unauthenticated')));
    await page.getByRole('searchbox').fill('the end');
    await page.getByText('The server does not accept the token any more').waitFor();
    expect(await page.evaluate('sessionStorage.length')).toBe(0);
  });

  it('leaves the other rooms usable when one cannot be loaded', async () => {
    const { page } = await open(`#/sign-in?token=${await parley.tokenOf({ user: 'olga', scopes: ['admin'] })}`);
    await page.route('**/assets/repair-room*.js', (route) => route.abort());
    await page.getByRole('link', { name: 'Repair' }).click();
    await page.getByText('This page has met an error').waitFor();
    await page.getByRole('link', { name: 'Chat' }).click();
    await page.getByRole('searchbox').waitFor();
    expect(await page.getByText('This page has met an error').count()).toBe(0);
    opened.pop(); // it has complained, as it should
    await page.context().close();
  });

  it('shows operators the one process: each app runs, each store answers, and nothing is unknown', async () => {
    const alice = await parley.client('alice-o');
    const { id: conversationId } = await alice.createConversation({ memberIds: [] });
    const { id } = await alice.send(conversationId, 'through one process');
    const window = await openRoom(browser, parley, 'pipeline');
    opened.push(window);
    const { page } = window;
    const nodes = (kind: string) => page.locator(`[data-node][data-kind="${kind}"]`);
    await nodes('app').first().waitFor();
    for (const kind of ['app', 'store', 'outbox', 'queue']) {
      await eventually(
        async () => {
          const states = await nodes(kind).evaluateAll((all) => all.map((node) => `${node.dataset['node']} ${node.dataset['state']}`));
          expect(states.filter((state) => !/ (running|idle|notConfigured|plain)$/.test(state))).toEqual([]);
        },
        { timeoutMs: 30_000, what: `the state of each ${kind}` },
      );
    }
    await page.locator(`[data-message="${id}"]`).click();
    await page.getByRole('table', { name: 'Follow a message' }).getByRole('row').nth(2).waitFor();
    await page.locator(`[data-message="${id}"]`).getByRole('img', { name: 'indexed', exact: true }).waitFor();
    expect(await page.getByText(/^Not known since/).allInnerTexts()).toEqual([]);

    await page.getByRole('link', { name: 'Repair' }).click();
    await page.getByText('No dead letters.').waitFor();
    await page.getByText('Every breaker is closed.').waitFor();
    await page.getByRole('region', { name: 'Alerts' }).getByText('told to the log').waitFor();
    await page.getByRole('region', { name: 'Scaling advice' }).getByRole('listitem').first().waitFor();
    const consistency = page.getByRole('region', { name: 'Messages and vectors' });
    await consistency.getByRole('button', { name: 'Compare now' }).click();
    await consistency.getByText(/Last: comparison, ordered by olga/).waitFor();
    await consistency.getByText('In step').waitFor();
    expect(await page.getByText(/^Not known since/).allInnerTexts()).toEqual([]);
  });

  it('is less than 200 kB of scripts and styles by gzip, all rooms together, and a first visit loads a part of it', async () => {
    const folder = join(projectRoot, 'dist', 'console', 'assets');
    const files = readdirSync(folder).filter((name) => /\.(js|css)$/.test(name));
    const sizeOf = (names: readonly string[], compress: (content: Buffer) => Buffer) =>
      names.reduce((sum, name) => sum + compress(readFileSync(join(folder, name))).length, 0);
    const { page } = await open();
    const loaded = () =>
      page.evaluate<string[]>(
        `performance.getEntriesByType('resource').map(({ name }) => name.split('/').at(-1)).filter((name) => /\\.(js|css)$/.test(name))`,
      );
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    const signIn = sizeOf(await loaded(), gzipSync);
    await page.getByLabel('Access token').fill(await parley.tokenOf({ user: 'alice' }));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('searchbox').waitFor();
    const chat = sizeOf(await loaded(), gzipSync);
    const all = sizeOf(files, gzipSync);
    process.stdout.write(
      `console, gzip: sign-in ${signIn} B, with the room Chat ${chat} B, all rooms ${all} B; brotli: all rooms ${sizeOf(files, brotliCompressSync)} B\n`,
    );
    expect(files.length).toBeGreaterThan(3);
    expect([signIn < chat, chat < all, all < 200_000]).toEqual([true, true, true]);
  });
});
