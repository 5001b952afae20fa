import { Module } from '@nestjs/common';
import { PresenceController } from '../adapters/http/routes/presence.controller.js';
import { ShowPresence } from './show-presence.js';

/** Who is online. */
@Module({ controllers: [PresenceController], providers: [ShowPresence] })
export class PresenceModule {}
