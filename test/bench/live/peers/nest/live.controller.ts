import { Body, Controller, Get, HttpCode, Inject, Post } from '@nestjs/common';
import { PeerDatabase, type PeerMessage } from '../peer-messages.js';
import { LiveGateway } from './live.gateway.js';

@Controller()
export class LiveController {
  constructor(
    @Inject(PeerDatabase) private readonly database: PeerDatabase,
    @Inject(LiveGateway) private readonly gateway: LiveGateway,
  ) {}

  @Post('messages')
  @HttpCode(202)
  async send(@Body() message: PeerMessage) {
    const seq = await this.database.store(message);
    void this.gateway.broadcast(message, seq).catch(() => undefined); // in the background, as R116 asks
    return { seq };
  }

  @Get('readyz')
  ready() {
    return { status: 'ok' };
  }
}
