// The one structural rule of docs/concepts/architecture.md, as a check. Each rule says why it is there.
const order = ['contracts', 'runtime', 'resilience', 'auth', 'bus', 'database'];
const siblings = ['conversations', 'vectors', 'live', 'scores', 'jobs', 'objects'];
const lib = (name) => `^libs/${name}/`;
const outside = '/adapters/';
const tests = '\\.(spec|int-spec|e2e-spec|contract)\\.ts$';
const wiring = ['\\.module\\.ts$', '/main\\.tsx?$', '/create-gateway\\.ts$', '/start-standalone\\.ts$', tests];
const ours = '^(apps|libs)/';
/** What runs in browsers: built by Vite, with everything in it. */
const pages = '^apps/console/';
/** What operates Parley from outside, on a developer's machine or an operator's terminal: wires what each command needs. */
const operating = ['^apps/cli/', lib('devstack')];

const rule = (name, comment, from, to) => ({ name, severity: 'error', comment, from, to });

/** A vendor package is imported in one place, so that replacing it touches one place. */
const home = (vendor, homes) =>
  rule(
    `vendor-has-one-home:${vendor}`,
    `Only ${homes.join(', ')} may know ${vendor}: its types and errors are translated there.`,
    { path: ours, pathNot: [...homes.map((place) => `^${place}`), lib('devstack'), lib('testing'), tests] },
    { path: `node_modules/${vendor}/` },
  );

/** Rooms of libs/bus/src/consume in the order of a delivery; each may know those before it. */
const consuming = ['source', 'buffer', 'run', 'settle'].map((room) => `^libs/bus/src/consume/${room}/`);

module.exports = {
  forbidden: [
    rule(
      'apps-are-islands',
      'Processes talk through events, not through imports; the embedded mode is all of them in one.',
      { path: '^apps/([^/]+)/', pathNot: '^apps/standalone/' },
      { path: '^apps/', pathNot: '^apps/$1/' },
    ),
    rule('libs-never-import-apps', 'A lib that knows an app cannot serve another one.', { path: '^libs/' }, { path: '^apps/' }),
    rule('libs-never-import-scripts', 'Scripts are the outermost layer.', { path: ours }, { path: '^(scripts|test)/' }),
    ...order.map((name, i) =>
      rule(
        `layers-point-down:${name}`,
        `${name} is below what it must not import.`,
        { path: lib(name), pathNot: tests },
        { path: [...order.slice(i + 1), ...siblings, 'devstack', 'testing'].map(lib) },
      ),
    ),
    ...siblings.map((name) =>
      rule(
        `siblings-do-not-talk:${name}`,
        'What the libs of one subject share belongs below them.',
        { path: lib(name), pathNot: tests },
        { path: siblings.filter((other) => other !== name).map(lib) },
      ),
    ),
    ...consuming.map((room, i) =>
      rule(
        `consuming-points-down:${room}`,
        'A delivery goes from its source through buffer and run to its settlement; an arrow back would close a circle.',
        { path: room, pathNot: tests },
        { path: [...consuming.slice(i + 1), '^libs/bus/src/consume/[^/]+$'] },
      ),
    ),
    rule(
      'core-does-not-see-adapters',
      'The core reads like the requirement; modules choose the adapters.',
      { path: ours, pathNot: [outside, ...wiring, ...operating, lib('testing')] },
      { path: outside },
    ),
    rule(
      'core-does-not-see-vendors',
      'Outside adapters only zod, Injectable and ids: everything else is an adapter with a port.',
      { path: ours, pathNot: [outside, ...wiring, ...operating, lib('runtime'), lib('testing'), pages] },
      { dependencyTypes: ['npm', 'npm-dev', 'npm-optional', 'npm-peer'], pathNot: 'node_modules/(zod|uuid|@nestjs/common)/' },
    ),
    home('amqplib', ['libs/bus/src/adapters/', 'apps/cli/src/adapters/']),
    home('pg', ['libs/database/src/adapters/', 'apps/cli/src/adapters/']),
    home('typeorm', [
      'libs/database/src/adapters/',
      'libs/conversations/src/adapters/',
      'libs/jobs/src/adapters/',
      'libs/scores/src/[^/]+/adapters/',
      'libs/vectors/src/[^/]+/adapters/',
    ]),
    home('chromadb', ['libs/vectors/src/store/adapters/']),
    home('undici', [
      'libs/resilience/src/adapters/http/',
      'apps/ops/src/scrape/adapters/',
      'libs/vectors/src/store/adapters/',
      'libs/vectors/src/embedder/adapters/',
    ]),
    home('ioredis', ['libs/resilience/src/adapters/', 'libs/live/src/[^/]+/adapters/', 'apps/cli/src/adapters/']),
    home('@aws-sdk', ['libs/objects/src/adapters/']),
    home('opossum', ['libs/resilience/src/adapters/']),
    home('prom-client', ['libs/runtime/src/']),
    home('pino', ['libs/runtime/src/']),
    home('@opentelemetry', ['libs/runtime/src/trace/']),
    home('nestjs-pino', ['libs/runtime/src/log/']),
    home('@nestjs/terminus', ['libs/runtime/src/health/']),
    home('jose', ['libs/auth/src/adapters/', 'apps/delivery/src/adapters/']),
    home('ws', ['apps/realtime/src/adapters/']),
    home('@modelcontextprotocol', ['apps/gateway/src/adapters/mcp/']),
    home('croner', ['apps/ops/src/adapters/']),
    home('piscina', ['apps/gateway/src/adapters/', '^libs/vectors/src/chunking/adapters/']),
    rule(
      'client-stands-alone',
      'The client runs in browsers, with nothing but what it brings.',
      { path: '^clients/', pathNot: tests },
      { pathNot: '^clients/' },
    ),
    rule(
      'console-runs-in-browsers',
      'The console has the client and its own packages; of contracts it takes types, which are gone when it is built.',
      { path: '^apps/console/src/', pathNot: tests },
      {
        pathNot: ['^apps/console/', '^clients/', 'node_modules/(react|react-dom|@base-ui/react|uplot|wouter)/'],
        dependencyTypesNot: ['type-only'],
      },
    ),
    rule(
      'console-takes-types-of-contracts',
      'What a page may know of the libs are the shapes of what goes over the wire.',
      { path: '^apps/console/src/', pathNot: tests },
      { path: '^libs/', pathNot: '^libs/contracts/' },
    ),
    rule(
      'tests-stay-in-tests',
      'Nothing that runs in production leans on test code.',
      { path: ours, pathNot: [tests, lib('testing')] },
      { path: [lib('testing'), tests] },
    ),
    rule(
      'runs-without-dev-packages',
      'The image has what `npm ci --omit=dev` installs and nothing else.',
      { path: ours, pathNot: [tests, lib('testing'), pages] },
      { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], dependencyTypesNot: ['type-only'] },
    ),
    rule(
      'devstack-stays-in-development',
      'A service takes its servers from its settings; only the command line and tests know those that npm start runs.',
      { path: ours, pathNot: [tests, ...operating, lib('testing')] },
      { path: lib('devstack') },
    ),
    rule(
      'no-barrels',
      'A barrel hides where things live and loads what no importer asked for.',
      {},
      { path: '^(apps|libs)/.*/index\\.ts$' },
    ),
    rule('no-circular', 'A cycle means that two files are one thing, or that one of them knows too much.', {}, { circular: true }),
    rule(
      'no-orphans',
      'A file without an importer is dead.',
      { orphan: true, path: '^(apps|clients|libs)/', pathNot: [...wiring, lib('testing')] },
      {},
    ),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: { conditionNames: ['source', 'import', 'require', 'node', 'default', 'types'], exportsFields: ['exports'] },
  },
};
