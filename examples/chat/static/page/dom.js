/** The few lines of DOM that the modules share. */

export const byId = (id) => document.getElementById(id);

/** An element with these properties and children; text is a child too. */
export function element(name, properties = {}, ...children) {
  const { data, ...rest } = properties;
  const node = Object.assign(document.createElement(name), rest);
  Object.assign(node.dataset, data);
  node.append(...children);
  return node;
}

/** The address of a socket on this server. */
export function address(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace('http', 'ws');
  return url.href;
}

/** A JSON object, or an empty one for anything else. */
export function parse(data) {
  try {
    return JSON.parse(data) ?? {};
  } catch {
    return {};
  }
}
