import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { freePorts } from '#lib/devstack/ports/free-ports';
import { projectRoot } from '#lib/devstack/project-root';
import { findTool } from '#lib/devstack/tools/find-tool';
import { eventually } from '#lib/testing/eventually';

const prometheus = await findTool('prometheus');

describe.skipIf('missing' in prometheus)(
  `the rules in a running Prometheus${'missing' in prometheus ? ` (${prometheus.missing})` : ''}`,
  () => {
    let folder: string;
    let process: ChildProcess;
    let target: Server;
    let url: string;
    let text = 'health_check_up{check="postgres"} 1\n';

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'parley-prometheus-'));
      target = createServer((_, response) => void response.writeHead(200, { 'content-type': 'text/plain; version=0.0.4' }).end(text));
      target.listen(0, '127.0.0.1');
      await once(target, 'listening');
      const [port = 0] = await freePorts(1);
      url = `http://127.0.0.1:${port}`;
      // The shipped rules, but for how long they wait, and go on.
      const rules = await readFile(join(projectRoot, 'docker/prometheus/rules.yml'), 'utf8');
      await writeFile(join(folder, 'rules.yml'), rules.replaceAll(/^( +(?:keep_firing_)?for: ).*$/gm, '$12s'));
      const scraped = {
        job_name: 'parley',
        static_configs: [{ targets: [`127.0.0.1:${(target.address() as AddressInfo).port}`], labels: { service: 'ops' } }],
      };
      const config = {
        global: { scrape_interval: '1s', scrape_timeout: '1s', evaluation_interval: '1s' },
        rule_files: ['rules.yml'],
        scrape_configs: [scraped],
      };
      await writeFile(join(folder, 'prometheus.yml'), JSON.stringify(config));
      const words = [
        `--config.file=${join(folder, 'prometheus.yml')}`,
        `--storage.tsdb.path=${join(folder, 'tsdb')}`,
        `--web.listen-address=127.0.0.1:${port}`,
      ];
      process = spawn('path' in prometheus ? prometheus.path : '', [...words, '--log.level=warn'], { stdio: 'ignore' });
    });
    afterAll(async () => {
      if (process.exitCode === null && process.signalCode === null) {
        const ended = once(process, 'exit');
        process.kill('SIGKILL');
        await ended;
      }
      target.closeAllConnections();
      target.close();
      await rm(folder, { recursive: true, force: true });
    });

    const firing = async (): Promise<string[]> => {
      const answer = await fetch(`${url}/api/v1/alerts`, { signal: AbortSignal.timeout(2_000) });
      const { data } = (await answer.json()) as { data: { alerts: { state: string; labels: { alertname: string; severity: string } }[] } };
      return data.alerts.filter(({ state }) => state === 'firing').map(({ labels }) => `${labels.severity} ${labels.alertname}`);
    };

    it('fire for a fault, end with it, and find a process that is gone', async () => {
      const scraped = async () => {
        const answer = await fetch(`${url}/api/v1/query?query=health_check_up`, { signal: AbortSignal.timeout(2_000) });
        expect(JSON.stringify(await answer.json())).toContain('"check":"postgres"');
      };
      await eventually(scraped, { timeoutMs: 30_000 });
      await eventually(async () => expect(await firing()).toEqual([]), { timeoutMs: 20_000 });
      text = 'health_check_up{check="postgres"} 0\n';
      await eventually(async () => expect(await firing()).toEqual(['p0 DBConnectionFailure']), { timeoutMs: 20_000 });
      text = 'health_check_up{check="postgres"} 1\n';
      await eventually(async () => expect(await firing()).toEqual([]), { timeoutMs: 20_000 });
      target.closeAllConnections();
      target.close();
      await eventually(async () => expect(await firing()).toEqual(['p0 ServiceDown']), { timeoutMs: 20_000 });
    }, 100_000);
  },
);
