// Turns on the assertion of the order of locks, even if a suite runs by itself. Import it before 'node-dax'.

process.env['NODE_DAX_ASSERT_LOCKS'] = '1';
