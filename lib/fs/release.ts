// Owns the release of the running Node, for behaviour that differs between releases.

export const NODE_MAJOR = Number(process.versions.node.split('.')[0]);
