using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Microsoft.ML.LoraInit.Tokenization;

namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>
/// Gathers rows that several threads ask for one by one. A row that finds the model idle is scored at once by its own thread.
/// Rows that arrive while it is busy wait; when it is free the oldest of them scores itself together with those behind it.
/// </summary>
/// <remarks>
/// No thread of its own and, unless <see cref="BatchingOptions.MaxWait"/> says so, no artificial delay: a batch grows by what
/// arrives during the one before. The thread that has scored a batch goes home with its row and wakes the next in line, so
/// nobody works for others for longer than one batch, and no row is overtaken. A batch that fails is scored again row by row,
/// so that an error reaches the row that causes it and no other.
/// </remarks>
/// <param name="score">Scores rows, in their order; called on the threads that ask.</param>
/// <param name="options">Limits.</param>
internal sealed class RowBatcher(Func<IReadOnlyList<EncodedText>, float[][]> score, BatchingOptions options)
{
    private readonly object _gate = new();
    private readonly LinkedList<Request> _waiting = []; // Empty unless all places are taken, or somebody waits for company.
    private int _running;
    private int _gathering; // of those running, who wait for company

    private enum State
    {
        Waiting,
        Leads,
        IsScored,
        Done,
    }

    /// <summary>Rows that wait for their turn.</summary>
    internal int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    /// <summary>A row's logits.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled before its turn came.</exception>
    public float[] Score(EncodedText text, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var request = Enter(text);
        if (request is null)
        {
            if (options.MaxWait <= TimeSpan.Zero)
            {
                try
                {
                    return Pass([text])[0];
                }
                finally
                {
                    Leave();
                }
            }
            request = new(text) { State = State.Leads, Gathers = true };
        }
        else
        {
            WaitForTurn(request, cancellationToken);
        }
        if (request.State == State.Leads)
            Lead(request);
        request.Error?.Throw();
        return request.Logits!;
    }

    /// <summary>Null where the row has a place at once, else its place in the queue.</summary>
    private Request? Enter(EncodedText text)
    {
        lock (_gate)
        {
            if (_running < options.MaxConcurrency && _waiting.Count == 0 && _gathering == 0)
            {
                _running++;
                // From here on, so that the next row joins this one and does not wait for company of its own.
                if (options.MaxWait > TimeSpan.Zero)
                    _gathering++;
                return null;
            }
            var request = new Request(text);
            request.Node = _waiting.AddLast(request);
            if (_waiting.Count >= options.MaxBatch - 1)
                Monitor.PulseAll(_gate); // one who waits for company has enough of it
            return request;
        }
    }

    private void WaitForTurn(Request request, CancellationToken cancellationToken)
    {
        try
        {
            request.Turn.Wait(cancellationToken);
        }
        catch
        {
            // Cancelled, or the thread was interrupted: others must not wait for this one.
            bool leads;
            lock (_gate)
            {
                leads = request.State == State.Leads;
                if (request.State == State.Waiting)
                    _waiting.Remove(request.Node!);
                request.State = State.Done;
            }
            if (leads)
                Leave();
            throw;
        }
    }

    private void Lead(Request leader)
    {
        var batch = new List<Request> { leader };
        try
        {
            Gather(batch);
            Score(batch);
        }
        finally
        {
            // Also where something unforeseen happens (an interrupted thread): nobody stays behind.
            foreach (var request in batch.Skip(1))
                Finish(request);
            Leave(leader);
        }
    }

    private void Gather(List<Request> batch)
    {
        lock (_gate)
        {
            WaitForCompany(batch[0]);
            // Where several batches run at a time, the others get their share; unless this one was to wait for all.
            int share = options.MaxWait > TimeSpan.Zero ? options.MaxBatch : (_waiting.Count + options.MaxConcurrency) / options.MaxConcurrency;
            while (_waiting.First is { } first && batch.Count < Math.Min(options.MaxBatch, share))
            {
                _waiting.RemoveFirst();
                first.Value.State = State.IsScored;
                batch.Add(first.Value);
            }
            // Rows that came while this one waited for company may have found places free.
            for (; _running < options.MaxConcurrency && _waiting.First is { } first; _running++)
                Promote(first);
        }
    }

    private void WaitForCompany(Request leader)
    {
        if (!leader.Gathers)
            _gathering++;
        leader.Gathers = true;
        try
        {
            long start = Stopwatch.GetTimestamp();
            while (_waiting.Count < options.MaxBatch - 1)
            {
                var left = options.MaxWait - Stopwatch.GetElapsedTime(start);
                if (left <= TimeSpan.Zero || !Monitor.Wait(_gate, left))
                    return;
            }
        }
        finally
        {
            StopGathering(leader);
        }
    }

    private void StopGathering(Request leader)
    {
        if (leader.Gathers)
            _gathering--;
        leader.Gathers = false;
    }

    private void Score(List<Request> batch)
    {
        if (batch.Count > 1)
        {
            try
            {
                var logits = Pass(batch.ConvertAll(request => request.Text));
                for (int i = 0; i < batch.Count; i++)
                    batch[i].Logits = logits[i];
                return;
            }
            catch (Exception e) when (e is not ThreadInterruptedException)
            {
                // Whose fault it is shows when each is scored by itself.
            }
        }
        foreach (var request in batch)
        {
            try
            {
                request.Logits = Pass([request.Text])[0];
            }
            catch (Exception e) when (e is not ThreadInterruptedException)
            {
                request.Error = ExceptionDispatchInfo.Capture(e);
            }
        }
    }

    private float[][] Pass(IReadOnlyList<EncodedText> texts)
    {
        ScoringMetrics.BatchSize.Record(texts.Count);
        return score(texts);
    }

    private static void Finish(Request request)
    {
        if (request.Logits is null)
            request.Error ??= ExceptionDispatchInfo.Capture(new InvalidOperationException("The thread that scored this row with its own was interrupted: ask again."));
        request.Turn.Set();
    }

    /// <summary>Gives the place to the one that has waited longest, or back.</summary>
    private void Leave(Request? leader = null)
    {
        lock (_gate)
        {
            if (leader is not null)
                StopGathering(leader); // one that was interrupted before it could wait
            if (_waiting.First is { } first)
                Promote(first);
            else
                _running--;
        }
    }

    private void Promote(LinkedListNode<Request> node)
    {
        _waiting.Remove(node);
        node.Value.State = State.Leads;
        node.Value.Turn.Set();
    }

    private sealed class Request(EncodedText text)
    {
        public EncodedText Text { get; } = text;

        /// <summary>Set when the row leads a batch or has been scored in one.</summary>
        public ManualResetEventSlim Turn { get; } = new(false);

        public LinkedListNode<Request>? Node { get; set; }

        /// <summary>Changes under the lock.</summary>
        public State State { get; set; }

        /// <summary>Whether it counts among those who wait for company. Changes under the lock.</summary>
        public bool Gathers { get; set; }

        public float[]? Logits { get; set; }

        public ExceptionDispatchInfo? Error { get; set; }
    }
}
