// Two classes at a time: most tests keep one core busy. What looks at the whole process (its tensors, its native memory, its environment,
// its threads an operation) is marked DoNotParallelize, as a method or a class, and runs alone afterwards.
[assembly: Parallelize(Workers = 2, Scope = ExecutionScope.ClassLevel)]
