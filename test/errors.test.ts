// DaxError: what it says, and that it says nothing else.

import t from 'tap';
import { DaxError } from 'node-dax';

t.test('what an error does not say is no property of it', (t) => {
  const error = new DaxError({ errno: 'EINVAL', syscall: 'read' });
  t.strictSame(Object.keys(error).sort(), ['code', 'errno', 'name', 'syscall']);
  t.notOk('path' in error);
  t.end();
});

t.test('what it says is in its properties and in its message', (t) => {
  const cause = new Error('the medium');
  const said = { path: '/a', dest: '/b', reason: 'MEDIA_ERROR', position: 7, hint: 'try again' } as const;
  const error = new DaxError({ errno: -5, syscall: 'rename', ...said, cause });
  t.match(error, { ...said, code: 'EIO', errno: -5, syscall: 'rename', cause });
  t.equal(error.message, "EIO: i/o error, rename '/a' -> '/b' at byte 7: try again");
  t.end();
});
