import { Module } from '@nestjs/common';
import { CONFIG, type Config, ConfigError } from '#lib/runtime/config/config';
import { RemoteKeys } from './adapters/jose-remote-keys.js';
import { JoseTokenVerifier } from './adapters/jose-token-verifier.js';
import { TokenVerifierPort } from './token-verifier.port.js';

const tokenVerifier = (config: Config): TokenVerifierPort => {
  const { AUTH_JWT_SECRET: secret, AUTH_JWKS_URL: jwksUrl, AUTH_AUDIENCE: audience } = config;
  if (secret === undefined && jwksUrl === undefined) {
    throw new ConfigError([
      'AUTH_JWT_SECRET or AUTH_JWKS_URL: a process that serves users needs at least one of them to know whom it may trust',
    ]);
  }
  const remote = jwksUrl === undefined ? undefined : new RemoteKeys(new URL(jwksUrl));
  return new JoseTokenVerifier({ secret, remote }, audience, config.AUTH_TOKEN_MAX_LIFE_S);
};

/** TokenVerifierPort. Refuses to start without a secret or a key set to verify tokens with. */
@Module({
  providers: [{ provide: TokenVerifierPort, inject: [CONFIG], useFactory: tokenVerifier }],
  exports: [TokenVerifierPort],
})
export class AuthModule {}
