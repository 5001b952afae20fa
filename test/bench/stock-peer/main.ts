import 'reflect-metadata';
import { Module, ValidationPipe } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientsModule, type MicroserviceOptions, type RmqOptions, Transport } from '@nestjs/microservices';
import { TypeOrmModule } from '@nestjs/typeorm';
import { StockMessage } from './message.entity.js';
import { StockMessagesController } from './messages.controller.js';

// The stock peer: the service that NestJS' own documentation leads to. Express, class-validator, TypeORM `save`, `ClientProxy.emit`
// over the stock RabbitMQ transport, one consumer with `noAck: false`. Publishing is fire and forget, as it is there.
const queue = { urls: [process.env['RABBITMQ_URL'] ?? ''], queue: 'stock.messages', persistent: true, queueOptions: { durable: true } };
const publisher: RmqOptions = { transport: Transport.RMQ, options: queue };
const consumer: RmqOptions = { transport: Transport.RMQ, options: { ...queue, noAck: false, prefetchCount: 100 } };

@Module({
  imports: [
    TypeOrmModule.forRoot({
      type: 'postgres',
      url: process.env['DATABASE_URL'] ?? '',
      entities: [StockMessage],
      synchronize: true,
      poolSize: 10,
      installExtensions: false,
    }),
    TypeOrmModule.forFeature([StockMessage]),
    ClientsModule.register([{ name: 'BUS', ...publisher }]),
  ],
  controllers: [StockMessagesController],
})
class StockModule {}

const app = await NestFactory.create(StockModule, { logger: ['error'] });
app.useGlobalPipes(new ValidationPipe({ whitelist: true, forbidNonWhitelisted: true }));
app.connectMicroservice<MicroserviceOptions>(consumer);
await app.startAllMicroservices();
await app.listen(Number(process.env['PORT']), '127.0.0.1');
