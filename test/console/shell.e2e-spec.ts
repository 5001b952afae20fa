import { readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { runCommand } from '#lib/devstack/process/commands';
import { projectRoot } from '#lib/devstack/project-root';
import { openBrowser, type TestBrowser } from '#lib/testing/browser';
import { builtProgram } from '#lib/testing/built-program';
import { type RunningParley, startParley } from '#lib/testing/running-parley';

const found = await openBrowser();

describe.skipIf('missing' in found)(`the console${'missing' in found ? ` (${found.missing})` : ''}`, () => {
  const browser = found as TestBrowser;
  let parley: RunningParley;
  beforeAll(async () => {
    parley = await startParley({ stack: inject('stack') });
  });
  afterAll(async () => {
    await browser.close();
    await parley?.stop();
  });

  it('asks for a token, says what is wrong with one, and opens the chat with one that is right', async () => {
    const { page, complaints } = await browser.open(parley.url);
    await page.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    await page.getByLabel('Access token').fill('not a token');
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByText('That is not an access token').waitFor();
    await page.getByLabel('Access token').fill(await parley.tokenOf({ user: 'alice' }));
    await page.getByRole('button', { name: 'Sign in' }).click();
    await page.getByRole('link', { name: 'Chat' }).waitFor();
    expect(await page.getByRole('link', { name: 'Repair' }).count()).toBe(0);
    expect(complaints).toEqual([]);
  });

  it('takes the token of a link out of the address and the history, and keeps it in that tab alone', async () => {
    const token = await parley.tokenOf({ user: 'alice', scopes: ['admin'] });
    const { page, context, complaints } = await browser.open(`${parley.url}/#/sign-in?token=${token}`);
    await page.getByRole('link', { name: 'Repair' }).waitFor();
    expect(page.url()).toBe(`${parley.url}/#/chat`);
    expect(await page.evaluate('JSON.stringify([{ ...localStorage }, document.cookie, document.URL])')).not.toContain(token);
    await page.reload();
    await page.getByRole('link', { name: 'Repair' }).waitFor();

    const other = await context.newPage();
    await other.goto(parley.url);
    await other.getByRole('heading', { name: 'Sign in to Parley' }).waitFor();
    expect(complaints).toEqual([]);
  });

  it('is opened by the link that the command line prints', async () => {
    const { code, stdout, stderr } = await runCommand(
      process.execPath,
      [builtProgram('parley'), 'console', '--user', 'alice', '--admin', '--url', parley.url],
      { timeoutMs: 30_000, cwd: projectRoot, env: { ...parley.environment } },
    );
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { page, context } = await browser.open(stdout.trim());
    await page.getByRole('link', { name: 'Repair' }).waitFor();
    await context.close();
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

  it('is less than 200 kB of scripts and styles, compressed', () => {
    const folder = join(projectRoot, 'dist', 'console', 'assets');
    const sizes = readdirSync(folder)
      .filter((name) => /\.(js|css)\.br$/.test(name))
      .map((name) => statSync(join(folder, name)).size);
    expect(sizes.length).toBeGreaterThan(3);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(200_000);
  });
});
