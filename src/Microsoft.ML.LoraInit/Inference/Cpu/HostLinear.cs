using Microsoft.ML.LoraInit.Cpu;

namespace Microsoft.ML.LoraInit.Inference.Cpu;

/// <summary>y = x Wᵀ + b with a weight that never changes, held in the order in which the product reads it.</summary>
/// <param name="inputs">Columns of W.</param>
/// <param name="outputs">Rows of W.</param>
internal abstract unsafe class HostLinear(int inputs, int outputs)
{
    public int Inputs => inputs;

    public int Outputs => outputs;

    /// <summary>A row's result does not depend on the rows beside it, to the last bit.</summary>
    /// <param name="x">fp32 [rows, inputs].</param>
    /// <param name="xStride">Numbers from a row of x to the next.</param>
    /// <param name="rows">Number of rows.</param>
    /// <param name="y">fp32 [rows, outputs].</param>
    /// <param name="yStride">Numbers from a row of y to the next.</param>
    /// <param name="team">Who may help.</param>
    public abstract void Apply(float* x, int xStride, int rows, float* y, int yStride, HostTeam team);

    /// <summary>The weight as it multiplies, [outputs, inputs] row by row.</summary>
    public abstract float[] Weight();

    /// <summary>The bias, [outputs].</summary>
    public abstract float[] Bias();
}
