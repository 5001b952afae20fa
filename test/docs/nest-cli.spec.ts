import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot } from '#lib/devstack/project-root';

interface Project {
  readonly type: string;
  readonly root: string;
  readonly sourceRoot: string;
}

it('nest-cli.json names every app but the console, which is none of Nest, and every lib with the folder of its sources', () => {
  const { projects } = JSON.parse(readFileSync(join(projectRoot, 'nest-cli.json'), 'utf8')) as { projects: Record<string, Project> };
  const folders = (parent: string) =>
    readdirSync(join(projectRoot, parent))
      .filter((name) => name !== 'console')
      .map((name) => `${parent}/${name}`);
  expect(
    Object.values(projects)
      .map(({ type, root }) => `${type} ${root}`)
      .sort(),
  ).toEqual([...folders('apps').map((folder) => `application ${folder}`), ...folders('libs').map((folder) => `library ${folder}`)].sort());
  for (const { root, sourceRoot } of Object.values(projects)) {
    expect(sourceRoot).toBe(`${root}/src`);
    expect(existsSync(join(projectRoot, sourceRoot))).toBe(true);
  }
});
