// Requests to Pulse's own API: CSRF token, JSON, errors in words.
// @ts-check

/** A failed request; `message` is fit to be shown. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {any} [body] */
  constructor(status, message, body) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/** @param {string} name @returns {string} */
function cookie(name) {
  const found = document.cookie.split('; ').find((c) => c.startsWith(`${name}=`));
  return found ? found.slice(name.length + 1) : '';
}

/** A read token given in the address (wall screens): sent along with every request. */
export const urlToken = new URLSearchParams(location.search).get('token') || '';

/** @type {Set<() => void>} */
const onUnauthorized = new Set();

/** @param {() => void} listener called when the server wants a login */
export function whenUnauthorized(listener) {
  onUnauthorized.add(listener);
}

/**
 * @param {string} method @param {string} path @param {any} [body] JSON
 * @param {{quiet?: boolean, signal?: AbortSignal}} [options] quiet: a 401 does not open the login
 * @returns {Promise<any>} the parsed answer
 */
export async function call(method, path, body, options = {}) {
  /** @type {Record<string, string>} */
  const headers = { Accept: 'application/json' };
  if (body !== undefined) headers['Content-Type'] = 'application/json';
  if (method !== 'GET') headers['X-CSRF-Token'] = cookie('pulse_csrf');
  if (urlToken) headers['X-API-Token'] = urlToken;
  let response;
  try {
    response = await fetch(path, {
      method,
      headers,
      body: body === undefined ? undefined : JSON.stringify(body),
      credentials: 'same-origin',
      signal: options.signal,
    });
  } catch (e) {
    if (options.signal?.aborted) throw e;
    throw new ApiError(0, 'Pulse does not answer. Is it running, and is the network up?');
  }
  const text = await response.text();
  /** @type {any} */
  let parsed = text;
  try {
    parsed = JSON.parse(text);
  } catch {
    // Not JSON: the text itself is the message.
  }
  if (response.ok) return parsed;
  if (response.status === 401 && !options.quiet) onUnauthorized.forEach((f) => f());
  const message = (parsed && parsed.message) || (parsed && parsed.error) || text.trim() || `Error ${response.status}`;
  throw new ApiError(response.status, message, parsed);
}

/** @param {string} path @param {{quiet?: boolean, signal?: AbortSignal}} [options] */
export const get = (path, options) => call('GET', path, undefined, options);
/** @param {string} path @param {any} [body] @param {{quiet?: boolean}} [options] */
export const post = (path, body = {}, options) => call('POST', path, body, options);
/** @param {string} path @param {any} [body] */
export const put = (path, body = {}) => call('PUT', path, body);
/** @param {string} path */
export const del = (path) => call('DELETE', path);
