using Microsoft.ML.LoraInit.Data.Tasks;

namespace Microsoft.ML.LoraInit.Onnx;

/// <summary>The output beside the logits: what the model's Score or Probability column would show.</summary>
/// <param name="Name">The output's name.</param>
/// <param name="Operation">The operator that makes it of the logits.</param>
/// <param name="Attributes">The operator's.</param>
internal sealed record OnnxScore(string Name, string Operation, params (string Name, object Value)[] Attributes)
{
    /// <summary>What logits are divided by before the operator; 1 for nothing.</summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Takes the place of <see cref="Temperature"/>; null for none.</summary>
    public TemperatureBend? Bend { get; init; }

    /// <summary>Whether a bend counts from the row's largest logit rather than from 0 (<see cref="TextTask.Distances"/>).</summary>
    public bool FromLargest { get; init; }

    /// <summary>The logits of a row of special tokens alone, and the most tokens that such a row has; null for the model's own answer.</summary>
    public (float[] Logits, int Tokens)? Empty { get; init; }

    public static OnnxScore Of(TextTask task) => task switch
    {
        MulticlassTask => new("probabilities", "Softmax", ("axis", 1)) { FromLargest = true },
        BinaryTask => new("probability", "Sigmoid"),
        MultiLabelTask => new("probabilities", "Sigmoid"),
        RegressionTask => new("score", "Identity"),
        _ => throw new NotSupportedException($"Models of the kind '{task.Kind}' cannot be written as ONNX."),
    };
}
