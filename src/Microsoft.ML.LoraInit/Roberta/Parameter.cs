using Microsoft.ML.LoraInit.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>
/// A named weight of the model: frozen (its value is fixed) or trained (its value is, during each step, a view into
/// the flat buffer of <see cref="TrainableParameters"/>).
/// </summary>
internal sealed class Parameter
{
    private Tensor? _value;
    private bool _ownsValue;

    /// <param name="name">Full state-dict name, such as <c>roberta.encoder.layer.0.attention.self.query.weight</c>.</param>
    /// <param name="value">The tensor; it leaves every dispose scope.</param>
    /// <param name="owned">True when this parameter disposes the tensor; false for weights shared between models.</param>
    /// <param name="decay">Whether AdamW's decoupled decay applies (not on biases and norms).</param>
    public Parameter(string name, Tensor value, bool owned = false, bool decay = true)
    {
        Name = name;
        _value = owned ? value.DetachFromDisposeScope() : value;
        _ownsValue = owned;
        Shape = value.shape;
        ComputeType = value.dtype;
        Decay = decay;
    }

    /// <summary>A frozen weight in 4 bits, shared between models.</summary>
    /// <param name="name">Full state-dict name.</param>
    /// <param name="quantized">The weight; still the caller's.</param>
    /// <param name="computeType">What passes compute with.</param>
    public Parameter(string name, Nf4Tensor quantized, ScalarType computeType)
    {
        Name = name;
        Quantized = quantized;
        Shape = quantized.Shape;
        ComputeType = computeType;
        Decay = true;
    }

    public string Name { get; }

    public long[] Shape { get; }

    /// <summary>The type that passes compute with: that of the first value. While trained, the value behind it is fp32.</summary>
    public ScalarType ComputeType { get; }

    public long Count => Shape.Aggregate(1L, (a, b) => a * b);

    public bool Decay { get; }

    /// <summary>Whether it does not decay where biases and norms do either: gates and magnitudes, for which zero means off.</summary>
    public bool NeverDecays { get; init; }

    /// <summary>Whether the optimiser updates this parameter. Set before <see cref="TrainableParameters"/> is built.</summary>
    public bool Trained { get; set; }

    /// <summary>Factor on the learning rate (LoRA+ raises it for B).</summary>
    public double LearningRateFactor { get; set; } = 1.0;

    /// <summary>Whether the method's hooks update it and the optimiser passes it by, without moments. Set before <see cref="TrainableParameters"/> is built.</summary>
    public bool MovedByMethod { get; set; }

    /// <summary>Whether passes compute no gradient for it for now, though it is trained. May change between steps.</summary>
    public bool Rests { get; set; }

    /// <summary>The weight where it is held in 4 bits; null elsewhere.</summary>
    public Nf4Tensor? Quantized { get; private set; }

    /// <summary>
    /// What forward passes compute with. In a training step this is a view that dies with the step's scope; of a weight in
    /// 4 bits it is a new tensor each time.
    /// </summary>
    public Tensor Value => Quantized?.Dequantize(ComputeType) ?? _value!;

    /// <summary>Points the parameter at a tensor that something else owns (a view of the flat buffer).</summary>
    public void Bind(Tensor view)
    {
        RefuseQuantized();
        Release();
        _value = view;
    }

    /// <summary>Replaces the value by a tensor that this parameter owns from now on.</summary>
    public void Replace(Tensor value)
    {
        RefuseQuantized();
        if (!value.shape.AsSpan().SequenceEqual(Shape))
            throw new ArgumentException($"'{Name}' has the shape [{string.Join(", ", Shape)}], not [{string.Join(", ", value.shape)}].", nameof(value));
        Release();
        _value = value.DetachFromDisposeScope();
        _ownsValue = true;
    }

    /// <summary>Replaces a weight in 4 bits by another, which this parameter owns from now on.</summary>
    public void Replace(Nf4Tensor quantized)
    {
        Release();
        Quantized = quantized;
        _ownsValue = true;
    }

    public void Release()
    {
        if (_ownsValue)
        {
            _value?.Dispose();
            Quantized?.Dispose();
        }
        _ownsValue = false;
    }

    private void RefuseQuantized()
    {
        if (Quantized is not null)
            throw new InvalidOperationException($"'{Name}' is held in 4 bits: it can neither be trained nor take other values.");
    }

    public override string ToString() => $"{Name} [{string.Join(", ", Shape)}]{(Trained ? " trained" : "")}";
}
