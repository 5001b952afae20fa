import { Module } from '@nestjs/common';
import { DevicesController } from '../adapters/http/routes/devices.controller.js';

/** The devices that users want pushes on. */
@Module({ controllers: [DevicesController] })
export class DevicesModule {}
