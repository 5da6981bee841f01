using Microsoft.ML.LoraInit.Roberta;

namespace Microsoft.ML.LoraInit.Trainers;

/// <summary>Base weights that another thread loads while this one does something else. Those that nobody takes are freed with this.</summary>
internal sealed class WeightsAhead : IDisposable
{
    private readonly CancellationTokenSource _failed = new();
    private readonly Task<BaseWeights> _loading;
    private bool _taken;

    /// <param name="load">Loads them, on a thread of its own, from now on.</param>
    public WeightsAhead(Func<BaseWeights> load) => _loading = Task.Factory.StartNew(() => Load(load), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <param name="weights">Weights that are there already; taken over.</param>
    public WeightsAhead(BaseWeights weights) => _loading = Task.FromResult(weights);

    /// <summary>Waits for them. The caller disposes of them; call once.</summary>
    /// <exception cref="Exception">What loading threw.</exception>
    public BaseWeights Take()
    {
        var weights = _loading.GetAwaiter().GetResult();
        _taken = true;
        return weights;
    }

    /// <summary>Does what the weights are for once they are there: it is of no use any more, and given up, as soon as loading has failed.</summary>
    /// <param name="work">Ends when its token is cancelled.</param>
    /// <param name="cancellationToken">Ends it too.</param>
    /// <exception cref="Exception">What loading threw, or the work.</exception>
    public T Meanwhile<T>(Func<CancellationToken, T> work, CancellationToken cancellationToken)
    {
        using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _failed.Token);
        try
        {
            return work(either.Token);
        }
        catch (OperationCanceledException) when (_failed.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            _ = Take();
            throw;
        }
    }

    /// <summary>Waits for the other thread, since the files that it reads are about to be closed.</summary>
    public void Dispose()
    {
        if (!_taken)
        {
            ((IAsyncResult)_loading).AsyncWaitHandle.WaitOne();
            // What loading threw does not matter any more to whoever leaves for another reason.
            if (_loading.IsCompletedSuccessfully)
                _loading.Result.Dispose();
            else
                _ = _loading.Exception;
        }
        _failed.Dispose();
    }

    private BaseWeights Load(Func<BaseWeights> load)
    {
        try
        {
            return load();
        }
        catch
        {
            _failed.Cancel();
            throw;
        }
    }
}
