using System.Runtime.CompilerServices;

namespace Microsoft.ML.LoraInit.Hosting.Serving;

/// <summary>Cuts a stream into windows of what it has ready, so that a slow one is answered row by row and a fast one in batches.</summary>
internal static class ReadyRows
{
    /// <param name="rows">The stream.</param>
    /// <param name="most">Rows of a window at most.</param>
    /// <param name="cancellationToken">Passed on to the stream.</param>
    public static async IAsyncEnumerable<IReadOnlyList<T>> Windows<T>(IAsyncEnumerable<T> rows, int most, [EnumeratorCancellation] CancellationToken cancellationToken)
        where T : class
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var reader = rows.GetAsyncEnumerator(stop.Token);
        Task<bool>? next = null;
        try
        {
            next = reader.MoveNextAsync().AsTask();
            while (await next.ConfigureAwait(false))
            {
                var window = new List<T>();
                do
                {
                    window.Add(reader.Current ?? throw new ArgumentException("A row of the stream is null.", nameof(rows)));
                    next = reader.MoveNextAsync().AsTask();
                }
                while (window.Count < most && next.IsCompletedSuccessfully && next.Result);
                yield return window; // Whoever asks for the next one learns how the stream went on, an error of its own included.
            }
        }
        finally
        {
            await stop.CancelAsync().ConfigureAwait(false);
            if (next is not null)
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing); // A stream is not disposed of while it is asked.
            await reader.DisposeAsync().ConfigureAwait(false);
        }
    }
}
