/** What callers are told who are refused or dropped before they ran. */
import { InferenceError } from '../core/errors.ts'

/** @param retryAfterMs when there should be room again */
export function queueFull(model: string, waiting: number, limit: number, retryAfterMs: number): InferenceError {
  return new InferenceError(
    'resource_exhausted',
    `model '${model}': the queue is full, ${waiting} requests wait (max_queue_size ${limit}). Retry later.`,
    { retryAfterMs },
  )
}

/** In Triton's words: one level of priority is full. */
export function levelFull(model: string, level: number, limit: number, retryAfterMs: number): InferenceError {
  return new InferenceError(
    'resource_exhausted',
    `model '${model}': Exceeds maximum queue size, ${limit} requests of priority ${level} wait. Retry later.`,
    { retryAfterMs },
  )
}

export function sloMissed(model: string, sloMs: number, expectedMs: number): InferenceError {
  return new InferenceError(
    'resource_exhausted',
    `model '${model}' is overloaded: the answer would take about ${round(expectedMs)} ms, its limit is ${sloMs} ms. Retry later.`,
    { retryAfterMs: Math.max(1, expectedMs - sloMs) },
  )
}

export function deadlinePassed(model: string, waitedMs: number): InferenceError {
  return new InferenceError(
    'deadline_exceeded',
    `model '${model}': the deadline of the request passed before it ran, it waited ${round(waitedMs)} ms`,
  )
}

export function deadlineUnreachable(model: string, leftMs: number, expectedMs: number): InferenceError {
  return new InferenceError(
    'deadline_exceeded',
    `model '${model}': the answer would take about ${round(expectedMs)} ms, the deadline of the request is in ${round(leftMs)} ms`,
  )
}

/** In Triton's words. */
export function timeoutExpired(model: string, waitedMs: number): InferenceError {
  return new InferenceError(
    'unavailable',
    `model '${model}': Request timeout expired, it waited ${round(waitedMs)} ms in the queue`,
  )
}

function round(ms: number): number {
  return ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms)
}
