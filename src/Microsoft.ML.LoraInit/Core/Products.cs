using static TorchSharp.torch;

namespace Microsoft.ML.LoraInit.Core;

/// <summary>Products with a layer's weight.</summary>
internal static class Products
{
    /// <inheritdoc cref="Affine(Tensor, Tensor, Tensor)"/>
    public static Tensor Affine(Tensor x, (Tensor Weight, Tensor Bias) linear) => Affine(x, linear.Weight, linear.Bias);

    /// <summary>
    /// x Wᵀ + b, [..., in] → [..., out]. The product is of matrices, whatever x has: only there libtorch adds the bias within it
    /// (torch/nn/functional/linear.h), and beside it the addition takes as long as the product on a GPU.
    /// </summary>
    public static Tensor Affine(Tensor x, Tensor weight, Tensor bias)
    {
        if (x.dim() == 2)
            return nn.functional.linear(x, weight, bias);
        var shape = x.shape;
        using var rows = x.reshape(-1, shape[^1]);
        using var product = nn.functional.linear(rows, weight, bias);
        shape[^1] = weight.shape[0];
        return product.view(shape);
    }
}
