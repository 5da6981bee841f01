using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Cpu;

/// <summary>
/// Products of fp32 tensors on the CPU with a weight, by <see cref="PanelGemm"/>: panels of the weight are packed as they are
/// needed, so that nothing is held beside it. With torch's number of threads.
/// </summary>
internal static unsafe class TensorGemm
{
    /// <summary>Whether vector code serves a tensor: fp32, on the CPU, row by row in memory.</summary>
    public static bool Serves(Tensor weight) =>
        VectorKernels.Serve
        && weight.device.type == DeviceType.CPU && weight.dtype == ScalarType.Float32 && weight.is_contiguous();

    /// <summary>x Wᵀ + b.</summary>
    /// <param name="x">[rows, in].</param>
    /// <param name="weight">[out, in].</param>
    /// <param name="bias">[out].</param>
    /// <returns>[rows, out].</returns>
    public static Tensor Linear(Tensor x, Tensor weight, Tensor bias)
    {
        int outputs = (int)weight.shape[0], inputs = (int)weight.shape[1];
        return Multiply(x, weight, bias, inputs, outputs, (w, panel, start, count) =>
        {
            for (int row = 0; row < count; row++)
            {
                float* from = w + ((long)(start + row) * inputs);
                float* to = panel + row;
                for (int i = 0; i < inputs; i++, to += PanelGemm.Width)
                    *to = from[i];
            }
        });
    }

    /// <summary>x W.</summary>
    /// <param name="x">[rows, out].</param>
    /// <param name="weight">[out, in].</param>
    /// <returns>[rows, in].</returns>
    public static Tensor Transposed(Tensor x, Tensor weight)
    {
        int outputs = (int)weight.shape[0], inputs = (int)weight.shape[1];
        return Multiply(x, weight, null, outputs, inputs, (w, panel, start, count) =>
        {
            float* from = w + start;
            for (int i = 0; i < outputs; i++, from += inputs, panel += PanelGemm.Width)
                new ReadOnlySpan<float>(from, count).CopyTo(new(panel, PanelGemm.Width));
        });
    }

    /// <summary>Packs columns [start, start + count) of the weight, as it multiplies, into a panel.</summary>
    private delegate void Pack(float* weight, float* panel, int start, int count);

    private static Tensor Multiply(Tensor x, Tensor weight, Tensor? bias, int depth, int columns, Pack pack)
    {
        using var rows = x.contiguous();
        int count = (int)rows.shape[0];
        var y = empty(count, columns);
        fixed (byte* from = rows.bytes, by = weight.bytes, to = y.bytes, plus = bias is null ? default : bias.bytes)
        {
            var (source, factor, target, added) = ((nint)from, (nint)by, (nint)to, (nint)plus);
            new CpuTeam(get_num_threads()).For(PanelGemm.Panels(columns), (long)count * depth * PanelGemm.Width, (first, end) =>
            {
                var memory = CpuScratch.Floats((long)(depth + 1) * PanelGemm.Width, out float* panel);
                float* offsets = panel + ((long)depth * PanelGemm.Width);
                for (int start = first * PanelGemm.Width; start < Math.Min(end * PanelGemm.Width, columns); start += PanelGemm.Width)
                {
                    int width = Math.Min(PanelGemm.Width, columns - start);
                    pack((float*)factor, panel, start, width);
                    if (added != 0)
                        new ReadOnlySpan<float>((float*)added + start, width).CopyTo(new(offsets, PanelGemm.Width));
                    PanelGemm.Multiply((float*)source, depth, count, depth, panel, added == 0 ? null : offsets, (float*)target + start, columns, width);
                }
                CpuScratch.Return(memory);
            });
        }
        return y;
    }
}
