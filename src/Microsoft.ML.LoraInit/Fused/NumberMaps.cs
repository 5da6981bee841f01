using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>Numbers that go from the flat buffer to places in matrices: value[to] = scale · (flat[from] − share · start[from]).</summary>
/// <param name="From">Int64 [n], places in the flat buffer; a number may go to several places.</param>
/// <param name="To">Int64 [n], places among the matrices, each once.</param>
/// <param name="Scale">fp32 [n].</param>
/// <param name="Share">fp32 [n], 1 where what the number started from is taken off, else 0; null where that is nowhere.</param>
internal sealed record SpreadMap(Tensor From, Tensor To, Tensor Scale, Tensor? Share) : IDisposable
{
    public void Dispose()
    {
        From.Dispose();
        To.Dispose();
        Scale.Dispose();
        Share?.Dispose();
    }
}

/// <summary>Gradients that go back: flat[to] += scale · (gradient[first] + gradient[second]).</summary>
/// <param name="To">Int64 [n], places in the flat buffer, each once.</param>
/// <param name="First">Int64 [n], places among the matrices' gradients.</param>
/// <param name="Second">Int64 [n], others that count too, −1 for none; null where there are none at all.</param>
/// <param name="Scale">fp32 [n].</param>
internal sealed record CollectMap(Tensor To, Tensor First, Tensor? Second, Tensor Scale) : IDisposable
{
    public void Dispose()
    {
        To.Dispose();
        First.Dispose();
        Second?.Dispose();
        Scale.Dispose();
    }
}
