/** Everything of the gateway that holds connections: started before it listens, stopped after the last answer. */
export abstract class Connections {
  /** Begins to connect. Resolves also when something is away: it is then tried again until it is there. @throws ConfigError. */
  abstract start(): Promise<void>;
  /** Lets go of everything, what is unconfirmed first. */
  abstract stop(): Promise<void>;
}
