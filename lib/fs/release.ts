// Owns which Node runs, where its releases differ in what they do.

export const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
