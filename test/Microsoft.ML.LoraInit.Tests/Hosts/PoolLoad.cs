using System.Collections.Concurrent;
using Microsoft.ML.LoraInit.Tests.Trainers;

namespace Microsoft.ML.LoraInit.Tests.Hosts;

/// <summary>Threads that ask a pool one question after the other, and check the answers.</summary>
internal sealed class PoolLoad : IDisposable
{
    private readonly ConcurrentQueue<string> _wrong = new();
    private readonly Thread[] _threads;
    private volatile bool _end;
    private long _answers;

    public PoolLoad(PoolStandIn<Topics.Row, Topics.Prediction> pool, int threads)
    {
        _threads = [.. Enumerable.Range(0, threads).Select(i => new Thread(() => Ask(pool, i)))];
        foreach (var thread in _threads)
            thread.Start();
    }

    /// <summary>Returns when that many further questions were answered.</summary>
    public void WaitForAnswers(int count)
    {
        long enough = Interlocked.Read(ref _answers) + count;
        Assert.IsTrue(SpinWait.SpinUntil(() => Interlocked.Read(ref _answers) >= enough || !_wrong.IsEmpty, TimeSpan.FromMinutes(2)), "The threads no longer ask.");
    }

    /// <summary>Ends the threads.</summary>
    /// <returns>What was answered wrongly, or thrown.</returns>
    public IReadOnlyCollection<string> End()
    {
        _end = true;
        foreach (var thread in _threads)
            Assert.IsTrue(thread.Join(TimeSpan.FromMinutes(2)));
        return _wrong;
    }

    public void Dispose() => _end = true;

    private void Ask(PoolStandIn<Topics.Row, Topics.Prediction> pool, int index)
    {
        for (int i = index; !_end; i++)
        {
            var row = Topics.Rows[i % Topics.Rows.Count];
            try
            {
                var score = pool.Predict(row).Score;
                if (!SavedModel.First.Says(row.Text, score) && !SavedModel.Second.Says(row.Text, score))
                    _wrong.Enqueue($"A wrong answer to '{row.Text}': {string.Join(", ", score)}");
            }
            catch (Exception e)
            {
                _wrong.Enqueue(e.ToString());
            }
            Interlocked.Increment(ref _answers);
        }
    }
}
