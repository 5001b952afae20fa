import { Module } from '@nestjs/common';
import { FriendshipController } from '../adapters/http/routes/friendship.controller.js';
import { JobsController } from '../adapters/http/routes/jobs.controller.js';
import { FindScoredUser } from './find-scored-user.js';
import { PreviewScore } from './preview-score.js';
import { StartScoring } from './start-scoring.js';

/** Scores of users, and the jobs that calculate them. Needs the stores of ScoresModule and JobsModule. */
@Module({ controllers: [FriendshipController, JobsController], providers: [FindScoredUser, PreviewScore, StartScoring] })
export class FriendshipModule {}
