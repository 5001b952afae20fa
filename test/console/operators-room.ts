import type { Page } from 'playwright-core';
import type { PageOptions, TestBrowser, UserPage } from '#lib/testing/browser';
import type { RunningParley } from '#lib/testing/running-parley';

/** The rooms of operators, as their addresses call them. */
export type OperatorsRoom = 'pipeline' | 'repair';

/** Opens a room as the link of `parley console --admin` does, and waits until its first figures are there. @param prepare done before. */
export async function openRoom(
  browser: TestBrowser,
  parley: RunningParley,
  room: OperatorsRoom,
  options: PageOptions = {},
  prepare: (page: Page) => Promise<void> = async () => undefined,
): Promise<UserPage> {
  const window = await browser.open(`${parley.url}/#/sign-in?token=${await parley.tokenOf({ user: 'olga', scopes: ['admin'] })}`, options);
  await prepare(window.page);
  await window.page.locator(`nav a[href="#/${room}"]`).click();
  await liveOf(window.page, 'live').waitFor();
  return window;
}

/** What says how current the picture is, while it is so. */
export const liveOf = (page: Page, kind: 'live' | 'stale') => page.locator(`output[data-kind="${kind}"]`);
