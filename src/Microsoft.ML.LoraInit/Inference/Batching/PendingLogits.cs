using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference.Batching;

/// <summary>Logits that a device may still be computing. Read or dispose of it; both end the use of the model.</summary>
/// <param name="logits">fp32 [rows, outputs] in the batches' order, or null where none is computed; taken over.</param>
/// <param name="batches">Row numbers in the order of the logits.</param>
/// <param name="use">The use of the model.</param>
internal sealed class PendingLogits(Tensor? logits, IReadOnlyList<int[]> batches, SharedLifetime.Use use) : IDisposable
{
    private readonly int _outputs = logits is null ? 0 : (int)logits.shape[1];
    private readonly Readback? _logits = logits is null ? null : new(logits);
    private float[][] _ready = [];
    private bool _isDisposed;

    /// <summary>Logits that are there.</summary>
    public static PendingLogits Ready(float[][] logits, SharedLifetime.Use use) => new(null, [], use) { _ready = logits };

    /// <summary>Waits for the device; a row of logits for each text, in the texts' order.</summary>
    public float[][] Read()
    {
        ObjectDisposedException.ThrowIf(_isDisposed, this);
        try
        {
            if (_logits is null)
                return _ready;
            var values = _logits.Read();
            var result = new float[values.Length / _outputs][];
            int start = 0;
            foreach (var rows in batches)
                foreach (int row in rows)
                {
                    result[row] = values[start..(start + _outputs)];
                    start += _outputs;
                }
            return result;
        }
        finally
        {
            Dispose();
        }
    }

    public void Dispose()
    {
        if (_isDisposed)
            return;
        _isDisposed = true;
        _logits?.Dispose();
        use.Dispose();
    }
}
