/** Every metric of this server by name, and what it says. */

interface Described {
  readonly name: string
  readonly help: string
}

export const metricNames = {
  build: { name: 'servable_build_info', help: 'Version of the server and of Node.js; always 1.' },
  requests: {
    name: 'servable_requests_total',
    help: 'Requests answered, by what they asked for and the code they ended with.',
  },
  duration: {
    name: 'servable_request_duration_seconds',
    help: 'Time in the data plane: queue, hooks and model.',
  },
  queueWait: { name: 'servable_queue_wait_seconds', help: 'Time that answered requests waited for their run.' },
  inFlight: {
    name: 'servable_requests_in_flight',
    help: 'Requests in the data plane right now, waiting ones included.',
  },
  info: { name: 'servable_model_info', help: 'Where a ready model runs and why; always 1.' },
  loadSeconds: { name: 'servable_model_load_seconds', help: 'Time that the last load took.' },
  memoryBytes: { name: 'servable_model_memory_bytes', help: 'Memory that the loaded weights hold.' },
  standbys: {
    name: 'servable_model_standbys_total',
    help: 'How often the model was unloaded until its next request, by reason.',
  },
  models: {
    name: 'servable_models',
    help: 'Versions of models: loaded, in standby (loaded by the next request), or neither.',
  },
  memoryBudget: { name: 'servable_memory_budget_bytes', help: 'Memory that loaded models may hold together.' },
  memoryUsed: {
    name: 'servable_memory_used_bytes',
    help: 'Memory that models hold of the budget: loaded, being loaded, or leaving.',
  },
  evictions: { name: 'servable_evictions_total', help: 'Models that were unloaded because others needed the memory.' },
  memoryRefusals: {
    name: 'servable_memory_refusals_total',
    help: 'Loads that found no room: in time, or without unloading what was used just before.',
  },
  loadWait: { name: 'servable_load_wait_seconds', help: 'Time that requests waited for the load of their model.' },
  ready: { name: 'servable_model_ready', help: '1 where the model answers requests.' },

  batching: { name: 'servable_batching_info', help: 'Whether requests share runs, and why; always 1.' },
  batchRows: { name: 'servable_batch_rows', help: 'Rows of each run of the model.' },
  alpha: { name: 'servable_batch_alpha_seconds', help: 'Learned time of a run besides its rows.' },
  beta: { name: 'servable_batch_beta_seconds', help: 'Learned time of each row of a run.' },
  margin: { name: 'servable_batch_margin', help: 'Factor on predicted times that covers their usual error.' },
  efficientBatch: {
    name: 'servable_efficient_batch',
    help: 'Rows of a run that reach 95 % of the best throughput.',
  },
  batchSize: { name: 'servable_batch_size', help: 'Rows that a run takes at most now.' },
  arrivals: { name: 'servable_arriving_rows', help: 'Rows that arrive in a second, per executor.' },
  expectedWait: {
    name: 'servable_expected_wait_seconds',
    help: 'Wait that the next request can expect.',
  },
  waitingRequests: { name: 'servable_waiting_requests', help: 'Requests in the queue.' },
  waitingRows: { name: 'servable_waiting_rows', help: 'Rows in the queue.' },
  runningBatches: { name: 'servable_running_batches', help: 'Runs of the model right now.' },
  refusals: {
    name: 'servable_refusals_total',
    help: 'Requests that were refused or dropped before they ran, by reason.',
  },
  isolations: {
    name: 'servable_isolations_total',
    help: 'Requests that shared a failing run and were run again apart.',
  },
  revisionRequests: {
    name: 'servable_revision_requests_total',
    help: 'Requests that were given to a revision of an InferenceService.',
  },
  graphRequests: {
    name: 'servable_graph_requests_total',
    help: 'Requests to inference graphs, by the HTTP status that the graph answered.',
  },
  graphSteps: { name: 'servable_graph_steps_total', help: 'Steps of inference graphs, by what became of them.' },
  graphStepDuration: {
    name: 'servable_graph_step_duration_seconds',
    help: 'Time of the steps of inference graphs, retries included.',
  },
  spans: { name: 'servable_spans_total', help: 'Spans of traces, by what became of them.' },
  promptTokens: { name: 'servable_prompt_tokens_total', help: 'Tokens of prompts, as models told them.' },
  completionTokens: {
    name: 'servable_generation_tokens_total',
    help: 'Tokens that were generated, as models told them; else the events of streams that brought text.',
  },
  firstToken: {
    name: 'servable_time_to_first_token_seconds',
    help: 'Time from a streaming request to its first text.',
  },
  interToken: { name: 'servable_inter_token_latency_seconds', help: 'Time between two texts of a stream.' },
  payloadEvents: {
    name: 'servable_payload_log_events_total',
    help: 'Requests and answers for the sink of the payload log, by what became of them.',
  },
  payloadQueued: { name: 'servable_payload_log_queued', help: 'Events that wait for the sink of the payload log.' },
  cacheHits: { name: 'servable_cache_hits_total', help: 'Requests answered by an answer that was kept.' },
  cacheMisses: { name: 'servable_cache_misses_total', help: 'Requests that no kept answer answered.' },
  cacheEntries: { name: 'servable_cache_entries', help: 'Answers that are kept.' },
  cacheBytes: { name: 'servable_cache_bytes', help: 'Memory that kept answers take.' },
  cacheEvictions: { name: 'servable_cache_evictions_total', help: 'Kept answers that made room for others.' },

  // Triton's.
  nvSuccess: { name: 'nv_inference_request_success', help: 'Number of successful inference requests' },
  nvFailure: { name: 'nv_inference_request_failure', help: 'Number of failed inference requests' },
  nvCount: { name: 'nv_inference_count', help: 'Number of rows that were computed' },
  nvExecutions: { name: 'nv_inference_exec_count', help: 'Number of runs of the model' },
  nvPending: { name: 'nv_inference_pending_request_count', help: 'Number of requests that wait for their run' },
  nvRequestUs: { name: 'nv_inference_request_duration_us', help: 'Time of requests, in microseconds' },
  nvQueueUs: { name: 'nv_inference_queue_duration_us', help: 'Time of requests in the queue, in microseconds' },
  nvInputUs: { name: 'nv_inference_compute_input_duration_us', help: 'Time before the model, in microseconds' },
  nvInferUs: { name: 'nv_inference_compute_infer_duration_us', help: 'Time in the model, in microseconds' },
  nvOutputUs: { name: 'nv_inference_compute_output_duration_us', help: 'Time after the model, in microseconds' },
  nvLoadSeconds: { name: 'nv_model_load_duration_secs', help: 'Time that the last load took, in seconds' },
  nvHits: { name: 'nv_cache_num_hits_per_model', help: 'Number of cache hits' },
  nvMisses: { name: 'nv_cache_num_misses_per_model', help: 'Number of cache misses' },
  nvHitUs: { name: 'nv_cache_hit_duration_per_model', help: 'Time of cache hits, in microseconds' },
  nvMissUs: { name: 'nv_cache_miss_duration_per_model', help: 'Time of cache misses, in microseconds' },

  // ModelMesh's.
  mmInvoke: { name: 'modelmesh_invoke_model_milliseconds', help: 'Internal model server inference request time' },
  mmRequest: { name: 'modelmesh_api_request_milliseconds', help: 'External inference request time' },
  mmQueue: { name: 'modelmesh_req_queue_delay_milliseconds', help: 'Time spent in inference request queue' },
  mmMiss: { name: 'modelmesh_cache_miss_milliseconds', help: 'Cache miss delay' },
  mmLoad: { name: 'modelmesh_loadmodel_milliseconds', help: 'Time taken to load model' },
  mmLoadFailure: { name: 'modelmesh_loadmodel_failure', help: 'Model load failures' },
  mmUnload: { name: 'modelmesh_unloadmodel_milliseconds', help: 'Time taken to unload model' },
  mmEvicted: { name: 'modelmesh_model_evicted', help: 'Count of model copy evictions' },
  mmAge: {
    name: 'modelmesh_age_at_eviction_milliseconds',
    help: 'Time since model was last used when evicted',
  },
  mmSize: { name: 'modelmesh_loaded_model_size_bytes', help: 'Reported size of loaded model' },
  mmLoaded: { name: 'modelmesh_models_loaded_total', help: 'Total number of models with at least one loaded copy' },
  mmFailed: {
    name: 'modelmesh_models_with_failure_total',
    help: 'Total number of models with one or more recent load failures',
  },
  mmManaged: { name: 'modelmesh_models_managed_total', help: 'Total number of models managed' },
  mmLru: {
    name: 'modelmesh_instance_lru_seconds',
    help: 'Last used time of least recently used model in pod (in secs since epoch)',
  },
  mmLruAge: {
    name: 'modelmesh_instance_lru_age_seconds',
    help: 'Last used age of least recently used model in pod (secs ago)',
  },
  mmCapacity: {
    name: 'modelmesh_instance_capacity_bytes',
    help: 'Effective model capacity of pod excluding unload buffer',
  },
  mmUsed: {
    name: 'modelmesh_instance_used_bytes',
    help: 'Amount of capacity currently in use by loaded models',
  },
  mmUsedShare: {
    name: 'modelmesh_instance_used_bps',
    help: 'Amount of capacity used in basis points (100ths of percent)',
  },
  mmModels: { name: 'modelmesh_instance_models_total', help: 'Number of model copies loaded in pod' },
} as const satisfies Readonly<Record<string, Described>>

export type MetricKey = keyof typeof metricNames

/** KServe's four: one for each phase of a request. */
export function kservePhase(phase: string): Described {
  return { name: `request_${phase}_seconds`, help: `${phase} request latency` }
}
