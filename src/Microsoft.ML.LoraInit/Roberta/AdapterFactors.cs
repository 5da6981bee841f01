using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Roberta;

/// <summary>The matrices of one adapter, fp32, whoever made them: an initialisation or a stored model.</summary>
/// <param name="A">[r, in].</param>
/// <param name="B">[out, r].</param>
/// <param name="N">[r, r] between them, or null.</param>
internal sealed record AdapterFactors(Tensor A, Tensor B, Tensor? N = null)
{
    /// <summary>B·A or B·N·A, [out, in]; in the caller's scope.</summary>
    public Tensor Product() => N is null ? B.matmul(A) : B.matmul(N).matmul(A);

    /// <summary>Refuses shapes that do not fit the target, naming it: a failed product would end the process.</summary>
    public void Check(AdapterTarget target)
    {
        Check(target, "A", A, target.Rank, target.InFeatures);
        Check(target, "B", B, target.OutFeatures, target.Rank);
        if (N is not null)
            Check(target, "N", N, target.Rank, target.Rank);
    }

    /// <summary>
    /// A row-major copy in fp32, in the caller's scope. A decomposition's result may lie column by column and a clone keeps that,
    /// while a file is read row by row; a product's last bits can depend on it.
    /// </summary>
    public static Tensor Copy(Tensor value, Device device) =>
        value.detach().to(ScalarType.Float32).to(device).contiguous().clone();

    public static void Check(AdapterTarget target, string what, Tensor found, params long[] expected)
    {
        if (!found.shape.AsSpan().SequenceEqual(expected))
            throw new InvalidOperationException($"The initialisation of '{target.ModuleName}' made {what} of the shape [{string.Join(", ", found.shape)}] where [{string.Join(", ", expected)}] is needed.");
    }
}
