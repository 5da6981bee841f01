using Microsoft.ML.LoraInit.Core;
using Microsoft.ML.LoraInit.Inference;
using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Libraries.Shelves;

/// <summary>
/// Corrects the rows of adapters of one form by batched products: a block's corrections are fetched once for all rows, then a layer takes one
/// product by every A of its input and one by each B, however many adapters there are.
/// </summary>
/// <param name="form">The adapters' form.</param>
/// <param name="parts">The shelf's tensors.</param>
/// <param name="fetch">The rows' places from a tensor [places, width]: [rows, width], or [1, width] for all rows.</param>
internal sealed class ShelfSlice(AdapterForm form, IReadOnlyList<Tensor> parts, Func<Tensor, Tensor> fetch) : IAdapterCorrections, IDisposable
{
    private Tensor? _fetched;
    private int _layer = -1;

    public bool Corrects(int layer, ReadOnlySpan<EncoderModule> modules)
    {
        if (form.Part(layer) is not (>= 0 and var part))
            return false;
        foreach (var module in modules)
            if (form.Layer(part).Find(module) is not null)
                return true;
        return false;
    }

    public void Correct(int layer, ReadOnlySpan<EncoderModule> modules, Tensor x, Tensor y)
    {
        using var scope = NewDisposeScope();
        var (values, layout) = (Fetched(layer), form.Layer(form.Part(layer)));
        long adapters = values.shape[0], width = y.shape[2] / modules.Length;
        long first = -1, rank = 0;
        foreach (var module in modules)
            if (layout.Find(module) is { } found)
                (first, rank) = (first < 0 ? found.A : first, rank + found.Rank);
        var down = values.narrow(1, first, rank * x.shape[2]).view(adapters, rank, x.shape[2]);
        var inner = x.reshape(adapters, -1, x.shape[2]).bmm(down.transpose(1, 2));

        long start = 0;
        for (int i = 0; i < modules.Length; i++)
            if (layout.Find(modules[i]) is { } found)
            {
                var up = values.narrow(1, found.B, found.Outputs * found.Rank).view(adapters, found.Outputs, found.Rank);
                var delta = inner.narrow(2, start, found.Rank).bmm(up.transpose(1, 2)).view(y.shape[0], y.shape[1], width);
                start += found.Rank;
                var product = y.narrow(2, i * width, width);
                if (found.HasGain)
                {
                    var gain = values.narrow(1, found.Gain, width).unsqueeze(1);
                    product.mul_(gain).Add_(values.narrow(1, found.Shift, width).unsqueeze(1));
                    delta.mul_(gain);
                }
                product.Add_(delta);
            }
    }

    public void Dispose()
    {
        _fetched?.Dispose();
        _fetched = null;
    }

    /// <summary>A block's corrections: kept until the next block's are asked for, since a block has several products.</summary>
    private Tensor Fetched(int layer)
    {
        if (_layer != layer || _fetched is null)
        {
            Dispose();
            _fetched = fetch(parts[form.Part(layer)]).DetachFromDisposeScope();
            _layer = layer;
        }
        return _fetched;
    }
}
