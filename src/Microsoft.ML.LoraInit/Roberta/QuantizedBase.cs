using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// A base held in 4 bits, as QLoRA (arXiv 2305.14314) does it: the weights of the encoder's linear layers in NF4 with double
/// quantisation, all else (embeddings, norms, biases) as it is. Quantised on the CPU in fp32 wherever it is then used, so
/// that one base has one quantised form.
/// </summary>
internal static class QuantizedBase
{
    /// <summary>Whether a weight of the base is held in 4 bits.</summary>
    public static bool Holds(string name, Tensor value) => value.dim() == 2 && name.StartsWith(RobertaNames.Encoder, StringComparison.Ordinal);

    /// <summary>A base of its own on the device; the plain one stays the caller's.</summary>
    /// <param name="plain">The base as the checkpoint has it, fp32 for the exact result.</param>
    /// <param name="device">Where it is wanted.</param>
    /// <param name="dtype">What passes compute with, and the type of what is not quantized.</param>
    /// <param name="original">Reads a weight in full precision again, into the caller's scope; null to have none.</param>
    public static BaseWeights Pack(BaseWeights plain, Device device, ScalarType dtype, Func<string, Tensor>? original = null)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        var quantized = new Dictionary<string, Nf4Tensor>(StringComparer.Ordinal);
        foreach (var (name, value) in plain.Tensors)
        {
            using var each = NewDisposeScope();
            if (Holds(name, value))
            {
                using var onCpu = Nf4.Quantize(value.to(ScalarType.Float32).cpu());
                quantized[name] = onCpu.To(device);
            }
            else
            {
                tensors[name] = value.to(dtype).to(device).alias().MoveToOuterDisposeScope();
            }
        }
        return new(plain.Config, plain.Identity, tensors, new(quantized, original));
    }

    /// <summary>A weight of the quantised base in fp32 on the CPU, from the plain or the quantized form alike.</summary>
    public static Tensor Weight(BaseWeights weights, string name)
    {
        if (weights.Quantized.TryGetValue(name, out var quantized))
        {
            using var onCpu = quantized.To(CPU);
            return onCpu.Dequantize();
        }
        using var scope = NewDisposeScope();
        var value = weights[name].to(ScalarType.Float32).cpu();
        return (Holds(name, value) ? Nf4.RoundTrip(value) : value.alias()).MoveToOuterDisposeScope();
    }
}
