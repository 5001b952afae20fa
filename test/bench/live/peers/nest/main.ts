import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { WsAdapter } from '@nestjs/platform-ws';
import { PeerDatabase } from '../peer-messages.js';
import { LiveController } from './live.controller.js';
import { LiveGateway } from './live.gateway.js';

// The stock gateway: NestJS' WebSocket gateway with Redis pub/sub, as the first plan of this product had it. One channel to every instance, and
// there a loop over the members that waits for each send.
@Module({ controllers: [LiveController], providers: [LiveGateway, PeerDatabase] })
class LiveModule {}

const app = await NestFactory.create(LiveModule, { logger: ['error'] });
app.useWebSocketAdapter(new WsAdapter(app));
await app.listen(Number(process.env['PORT']), '127.0.0.1');
