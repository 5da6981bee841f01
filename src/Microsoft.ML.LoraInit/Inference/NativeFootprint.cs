using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Inference;

/// <summary>
/// Tells the garbage collector about a model's native memory, for as long as the model lives. Tensors are freed by their
/// finalisers where nobody disposes of the model, as in a <c>PredictionEnginePool</c> that has replaced it; without this
/// the collector sees a few small objects and may leave them, and hundreds of megabytes with them, for hours.
/// </summary>
internal sealed class NativeFootprint : IDisposable
{
    private long _bytes;

    /// <param name="tensors">What the model holds; not kept.</param>
    public NativeFootprint(IEnumerable<Tensor> tensors)
        : this(tensors.Sum(t => t.numel() * t.ElementSize))
    {
    }

    /// <param name="bytes">How much the model holds.</param>
    public NativeFootprint(long bytes)
    {
        _bytes = bytes;
        if (_bytes > 0)
            GC.AddMemoryPressure(_bytes);
    }

    ~NativeFootprint() => Release();

    /// <summary>Bytes announced; 0 after disposal.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    private void Release()
    {
        if (Interlocked.Exchange(ref _bytes, 0) is > 0 and var bytes)
            GC.RemoveMemoryPressure(bytes);
    }
}
