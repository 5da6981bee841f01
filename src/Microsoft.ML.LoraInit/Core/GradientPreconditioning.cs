namespace Microsoft.ML.LoraInit;

/// <summary>What is done to the gradients of the adapters' factors before the optimiser's step.</summary>
public enum GradientPreconditioning
{
    /// <summary>Nothing.</summary>
    None,

    /// <summary>
    /// The metric of the low-rank product (arXiv 2402.02347; the update of LoRA-One, arXiv 2502.01235, and of NoRA+, arXiv
    /// 2410.18965): A's gradient becomes (BᵀB + εI)⁻¹ g_A, B's g_B (AAᵀ + εI)⁻¹.
    /// </summary>
    Riemannian,
}
