using System.Collections.Concurrent;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>A thread that does what it is given, in order: CUDA's current stream and recordings belong to a thread.</summary>
internal sealed class WorkerThread : IDisposable
{
    private readonly BlockingCollection<(Action Work, TaskCompletionSource Done)> _queue = [];
    private readonly Thread _thread;

    public WorkerThread(string name)
    {
        _thread = new Thread(Work) { IsBackground = true, Name = name };
        _thread.Start();
    }

    /// <summary>Queues work.</summary>
    /// <returns>Ends with the work, or with its exception. Whoever waits for it never does the work himself.</returns>
    public Task Post(Action work)
    {
        var done = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _queue.Add((work, done));
        return done.Task;
    }

    /// <summary>Does work there and waits for it.</summary>
    public void Run(Action work) => CudaGate.Wait(Post(work).GetAwaiter().GetResult);

    /// <summary>Waits for what is queued and ends the thread.</summary>
    public void Dispose()
    {
        _queue.CompleteAdding();
        _thread.Join();
        _queue.Dispose();
    }

    private void Work()
    {
        foreach (var (work, done) in _queue.GetConsumingEnumerable())
        {
            try
            {
                work();
                done.SetResult();
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        }
    }
}
