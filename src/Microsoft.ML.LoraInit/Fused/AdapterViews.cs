using Microsoft.ML.LoraInit.Roberta;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Fused;

/// <summary>
/// The trained parameters of one step as plain memory: values in the type of the passes, converted in one call, and fp32
/// gradients, both by a parameter's place in the flat buffer.
/// </summary>
internal sealed class AdapterViews
{
    private readonly TrainableParameters _parameters;
    private readonly Tensor _values;
    private readonly Tensor? _changes;
    private readonly Tensor _gradient;

    /// <param name="parameters">The flat buffer.</param>
    /// <param name="gradient">fp32, aligned with the buffer.</param>
    /// <param name="type">What the encoder computes with.</param>
    /// <param name="start">fp32, aligned with the buffer: what adapters over an untouched base started from; null where there are none.</param>
    public AdapterViews(TrainableParameters parameters, Tensor gradient, ScalarType type, Tensor? start)
    {
        _parameters = parameters;
        _values = parameters.Flat.detach().to(type);
        _changes = start is null ? null : (parameters.Flat.detach() - start).to(type);
        _gradient = gradient;
    }

    /// <summary>Numbers from a parameter's first one on.</summary>
    public Tensor Value(Parameter first, long count) => _values.narrow(0, Start(first), count);

    /// <summary>How far they are from their start; subtracted in fp32, so that a small change is not lost in the rounding of its values.</summary>
    public Tensor Change(Parameter first, long count) => (_changes ?? throw new InvalidOperationException("No adapter has a start.")).narrow(0, Start(first), count);

    /// <summary>Their gradients.</summary>
    public Tensor Gradient(Parameter first, long count) => _gradient.narrow(0, Start(first), count);

    private long Start(Parameter parameter) =>
        _parameters.Start(parameter) ?? throw new InvalidOperationException($"'{parameter.Name}' is not trained.");
}
